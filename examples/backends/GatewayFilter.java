import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Tells a Gatewright gateway's requests from everybody else's: Servlet 5 or later (Tomcat 10, Spring Boot 3), Java 17.
 *
 * <p>A request without a right and recent signature gets 403. Behind the filter, the identity fields (X-Client-Subject and so
 * on) are the gateway's word, and the certificate is the request's attribute {@code jakarta.servlet.request.X509Certificate},
 * where Spring Security's {@code x509()} looks for it.
 */
public final class GatewayFilter extends HttpFilter {
    private static final long serialVersionUID = 1L;
    private static final String ATTRIBUTE = "jakarta.servlet.request.X509Certificate";
    private static final List<String> COVERED = List.of(
            "Client-Cert", "X-Client-Subject", "X-Client-Issuer", "X-Client-Serial", "X-Client-Not-After", "X-Client-DNS",
            "X-Client-Email", "X-Forwarded-Client-Cert", "X-SSL-Client-Cert", "X-SSL-Client-Verify", "X-SSL-Client-S-DN",
            "X-SSL-Client-I-DN", "X-SSL-Client-Serial", "X-Basic-User", "X-Token-Subject");

    private final transient List<String> secrets;
    private final long windowMillis;
    private final transient Map<String, Long> seen = new LinkedHashMap<>();

    /** Secrets as the gateway's file holds them, and how far its clock and ours may lie apart, in seconds. */
    public GatewayFilter(List<String> secrets, int windowSeconds) {
        if (secrets.isEmpty() || !secrets.stream().allMatch(secret -> secret.matches("[0-9a-f]{128}"))) {
            throw new IllegalArgumentException("a secret is 128 hexadecimal digits in lower case, and there must be one");
        }
        this.secrets = List.copyOf(secrets);
        this.windowMillis = windowSeconds * 1000L;
    }

    /** The secrets of the file that the gateway made: one a line. */
    public static List<String> readSecrets(Path file) throws IOException {
        return Files.readAllLines(file).stream().map(String::strip)
                .filter(line -> !line.isEmpty() && !line.startsWith("#")).toList();
    }

    @Override
    protected void doFilter(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        // No certificate of the connection's own: what stands there is the gateway's, if anything.
        request.removeAttribute(ATTRIBUTE);
        if (!isSigned(request) || !isFirst(request.getHeader("X-Gateway-Request"))) {
            response.setStatus(HttpServletResponse.SC_FORBIDDEN);
            response.setContentType("application/json");
            response.getWriter().write("{\"error\": \"not_from_the_gateway\"}\n");
            return;
        }
        String field = request.getHeader("Client-Cert");
        if (field != null && !field.isEmpty()) {
            request.setAttribute(ATTRIBUTE, new X509Certificate[] {certificate(field)});
        }
        chain.doFilter(request, response);
    }

    private boolean isSigned(HttpServletRequest request) {
        String query = request.getQueryString();
        String target = request.getRequestURI() + (query == null ? "" : "?" + query);
        String signedTarget = one(request, "X-Gateway-Target");
        if ((target + "?").equals(signedTarget)) {
            target = signedTarget; // an empty query is a query to the gateway and none to Servlet
        }
        if (!target.equals(signedTarget)) {
            return false; // the application may read either
        }
        String time = one(request, "X-Gateway-Time");
        String identifier = one(request, "X-Gateway-Request");
        String signature = one(request, "X-Gateway-Signature");
        List<String> parts = new ArrayList<>();
        Collections.addAll(parts, "gatewright-1", time, identifier, request.getMethod(), one(request, "X-Forwarded-Host"),
                one(request, "X-Forwarded-For"), target);
        COVERED.forEach(name -> parts.add(one(request, name)));
        for (String part : parts) {
            // Sent twice, or with a blank in it: then a message could be read in two ways.
            if (part == null || part.chars().anyMatch(c -> c < 0x21 || c > 0xff)) {
                return false;
            }
        }
        if (signature == null || identifier.isEmpty() || !time.matches("[0-9]{10,18}")) {
            return false;
        }
        String message = String.join(" ", parts);
        boolean good = false;
        for (String secret : secrets) {
            byte[] wanted = ("v1=" + sha1(secret.substring(64) + sha1(secret.substring(0, 64) + message)))
                    .getBytes(StandardCharsets.ISO_8859_1);
            good |= Arrays.stream(signature.split(",")).limit(4)
                    .map(given -> MessageDigest.isEqual(given.getBytes(StandardCharsets.ISO_8859_1), wanted))
                    .reduce(false, (one, other) -> one | other);
        }
        return good && Math.abs(System.currentTimeMillis() - Long.parseLong(time) / 1000) <= windowMillis;
    }

    /** The value of a field, empty where it is not there, null where it came more than once. */
    private static String one(HttpServletRequest request, String name) {
        List<String> values = Collections.list(request.getHeaders(name));
        return values.isEmpty() ? "" : values.size() == 1 ? values.get(0) : null;
    }

    /** One signature is good for one request; only what is signed gets here, so nobody else fills the memory. */
    private boolean isFirst(String identifier) {
        long now = System.currentTimeMillis();
        synchronized (seen) {
            var oldest = seen.entrySet().iterator();
            while (oldest.hasNext() && oldest.next().getValue() < now) {
                oldest.remove();
            }
            return seen.putIfAbsent(identifier, now + 2 * windowMillis) == null;
        }
    }

    private static X509Certificate certificate(String field) throws ServletException {
        try {
            byte[] der = Base64.getDecoder().decode(field.substring(1, field.length() - 1)); // RFC 9440: ":base64:"
            return (X509Certificate) CertificateFactory.getInstance("X.509")
                    .generateCertificate(new ByteArrayInputStream(der));
        } catch (CertificateException | IllegalArgumentException | StringIndexOutOfBoundsException problem) {
            throw new ServletException("Client-Cert holds no certificate", problem);
        }
    }

    private static String sha1(String text) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-1").digest(text.getBytes(StandardCharsets.ISO_8859_1));
            return HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException impossible) {
            throw new IllegalStateException(impossible); // every Java has SHA-1
        }
    }
}
