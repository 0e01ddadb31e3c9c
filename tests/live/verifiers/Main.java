import jakarta.servlet.http.HttpServlet;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.cert.X509Certificate;
import org.apache.catalina.Context;
import org.apache.catalina.startup.Tomcat;
import org.apache.tomcat.util.descriptor.web.FilterDef;
import org.apache.tomcat.util.descriptor.web.FilterMap;

/** A Tomcat behind the filter: tells who it believes the client to be. */
public final class Main {
    public static void main(String[] words) throws Exception {
        Path folder = Files.createTempDirectory("tomcat");
        Tomcat tomcat = new Tomcat();
        tomcat.setBaseDir(folder.toString());
        tomcat.setHostname("127.0.0.1");
        tomcat.setPort(Integer.parseInt(words[0]));
        tomcat.getConnector().setProperty("address", "127.0.0.1");
        Context context = tomcat.addContext("", folder.toString());
        FilterDef definition = new FilterDef();
        definition.setFilterName("gateway");
        definition.setFilter(new GatewayFilter(GatewayFilter.readSecrets(Path.of(words[1])), 60));
        context.addFilterDef(definition);
        FilterMap map = new FilterMap();
        map.setFilterName("gateway");
        map.addURLPattern("/*");
        context.addFilterMap(map);
        Tomcat.addServlet(context, "who", new HttpServlet() {
            @Override
            protected void doGet(HttpServletRequest request, HttpServletResponse response) throws IOException {
                var found = (X509Certificate[]) request.getAttribute("jakarta.servlet.request.X509Certificate");
                response.getWriter().write(found == null ? "nobody" : found[0].getSubjectX500Principal().getName());
            }
        });
        context.addServletMappingDecoded("/*", "who");
        tomcat.start();
        tomcat.getServer().await();
    }
}
