"""The server as a whole: its own root, its processes, its limits, what it says about itself."""

from __future__ import annotations

from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Arg, Comment, Node, Setting, directive, section
from gatewright.compile.passes.contacts import contact_log
from gatewright.compile.passes.credentials import authorizer
from gatewright.compile.passes.identity import strip
from gatewright.compile.quote import DOLLAR, setting_value

PORT = Setting("GW_PORT")
"""The port listened on. A setting, so that a shadow instance of the very same tree can take another."""

LISTEN = Setting("GW_LISTEN")
"""Where to listen: ``address:port`` or a port. A setting, so that a shadow instance can keep to the loopback address."""

RUN = Setting("GW_RUN")
"""Folder of the pid file, mutexes and scoreboard."""

LOGS = Setting("GW_LOGS")
"""Folder of the log files."""

ERROR_LOG = "error.log"
ACCESS_LOG = "access.log"
CONTACTS_LOG = "contacts.log"
PID_FILE = "httpd.pid"

ERROR_FORMAT = "ts=%{cu}t lvl=%-m:%l pid=%P tid=%T cid=%{c}L rid=%L client=%a vh=%v err=%E msg=%M"
"""One line an event; ``cid`` and ``rid`` join it to the connection and the request."""

ACCESS_FORMAT = (
    '{"ts":%{msec}t,"cid":"%{c}L","rid":"%{UNIQUE_ID}e","client":"%a","method":"%<m","path":"%<U","proto":"%H",'
    '"status":%>s,"bytes":%B,"us":%D,"route":"%{GW_ROUTE}e","verify":"%{SSL_CLIENT_VERIFY}x",'
    '"dn":"%{SSL_CLIENT_S_DN}x","serial":"%{SSL_CLIENT_M_SERIAL}x","sni":"%{SSL_TLS_SNI}x","tls":"%{SSL_PROTOCOL}x",'
    '"cipher":"%{SSL_CIPHER}x","resumed":"%{SSL_SESSION_RESUMED}x"}'
)
"""One JSON object a request. httpd writes bytes above 0x7F as ``\\xHH``, which a reader has to undo."""

# What browsers need to show the file types of a small site; httpd's own list is not installed everywhere.
_TYPES = (
    ("text/html", ".html", ".htm"),
    ("text/css", ".css"),
    ("text/javascript", ".js", ".mjs"),
    ("text/plain", ".txt", ".md"),
    ("application/json", ".json"),
    ("application/xml", ".xml"),
    ("application/pdf", ".pdf"),
    ("application/wasm", ".wasm"),
    ("image/svg+xml", ".svg"),
    ("image/png", ".png"),
    ("image/jpeg", ".jpg", ".jpeg"),
    ("image/gif", ".gif"),
    ("image/webp", ".webp"),
    ("image/x-icon", ".ico"),
    ("font/woff2", ".woff2"),
)

# The methods httpd is born with (ap_method_registry_init in its http_protocol.c).
_KNOWN_METHODS = frozenset(
    "GET HEAD PUT POST DELETE CONNECT OPTIONS TRACE PATCH PROPFIND PROPPATCH MKCOL COPY MOVE LOCK UNLOCK VERSION-CONTROL "
    "CHECKOUT UNCHECKOUT CHECKIN UPDATE LABEL REPORT MKWORKSPACE MKACTIVITY BASELINE-CONTROL MERGE".split()
)


def server(inputs: Inputs) -> tuple[Node, ...]:
    """Everything outside the virtual hosts."""
    return (
        *_settings(inputs),
        *_process(inputs),
        *_manners(),
        *_methods(inputs),
        *_limits(),
        *_logging(),
        *contact_log(inputs, (LOGS, f"/{CONTACTS_LOG}")),
        Comment("Nothing of the file system is served or configured from, unless a route says so."),
        section("Directory", "/", children=(directive("AllowOverride", "None"), directive("Options", "None"))),
        directive("TypesConfig", "/dev/null"),
        *(directive("AddType", *words) for words in _TYPES),
        directive("DirectoryIndex", "index.html"),
        *authorizer(inputs.gateway),
        *strip(),
    )


def _settings(inputs: Inputs) -> tuple[Node, ...]:
    defaults = ((PORT, str(inputs.gateway.listen.port)), (RUN, str(inputs.layout.run)), (LOGS, str(inputs.layout.logs)))
    address = inputs.gateway.listen.address
    listen: Arg = (f"{address.in_url}:", PORT) if address else PORT
    return (
        Comment("Settings: a shadow instance of this very tree is started with its own."),
        directive("Define", DOLLAR, "$"),
        *(
            section("IfDefine", f"!{setting.name}", children=(directive("Define", setting.name, setting_value(value)),))
            for setting, value in defaults
        ),
        section("IfDefine", f"!{LISTEN.name}", children=(directive("Define", LISTEN.name, listen),)),
    )


def _process(inputs: Inputs) -> tuple[Node, ...]:
    account: tuple[Node, ...] = ()
    if inputs.run_as is not None:
        account = (directive("User", inputs.run_as.user), directive("Group", inputs.run_as.group))
    return (
        directive("ServerRoot", str(inputs.layout.generation)),
        directive("ServerName", ("gatewright.invalid:", PORT)),
        directive("PidFile", (RUN, f"/{PID_FILE}")),
        directive("DefaultRuntimeDir", _sockets(inputs)),
        directive("Mutex", ("default:", RUN)),
        *account,
        directive("Listen", LISTEN),
    )


def _sockets(inputs: Inputs) -> Arg:
    """The folder of unix sockets that httpd's children connect to; those of root's gateways cannot enter ``run``."""
    return RUN if inputs.run_as is None else str(inputs.layout.revoked.parent)


def _manners() -> tuple[Node, ...]:
    return (
        Comment("Say little, accept only strict HTTP, reflect nothing."),
        directive("ServerTokens", "Prod"),
        directive("ServerSignature", "Off"),
        directive("TraceEnable", "off"),
        directive("HttpProtocolOptions", "Strict", "RegisteredMethods", "Require1.0"),
        directive("AllowEncodedSlashes", "Off"),
        directive("MergeSlashes", "On"),
        directive("FileETag", "MTime", "Size"),
        directive("Protocols", "h2", "http/1.1"),
        directive("ProxyRequests", "Off"),
        directive("ProxyVia", "Off"),
    )


def _methods(inputs: Inputs) -> tuple[Node, ...]:
    """Methods that httpd has no number for cannot stand in ``AllowMethods`` until they are registered."""
    declared = {method for route in inputs.gateway.routes.values() for method in route.methods}
    own = sorted(declared - _KNOWN_METHODS)
    return (directive("RegisterHttpMethod", *own),) if own else ()


def _limits() -> tuple[Node, ...]:
    return (
        Comment(
            "Slow or greedy clients: without a handshake limit, 500 half-open handshakes stop a server (measured)."
        ),
        directive("RequestReadTimeout", "handshake=3", "header=5-10,MinRate=500", "body=5,MinRate=500"),
        directive("Timeout", "60"),
        directive("KeepAlive", "On"),
        directive("KeepAliveTimeout", "15"),
        directive("MaxKeepAliveRequests", "1000"),
        directive("LimitRequestLine", "8190"),
        directive("LimitRequestFields", "100"),
        directive("LimitRequestFieldSize", "16380"),
        directive("H2MaxSessionStreams", "100"),
        directive("StartServers", "1"),
        directive("ServerLimit", "8"),
        directive("ThreadsPerChild", "64"),
        directive("MaxRequestWorkers", "512"),
        directive("MinSpareThreads", "32"),
        directive("MaxSpareThreads", "192"),
        directive("GracefulShutdownTimeout", "30"),
    )


def _logging() -> tuple[Node, ...]:
    return (
        Comment("ssl:info is needed to learn whose certificate was refused; ids join connection, request and refusal."),
        directive("LogLevel", "warn", "ssl:info"),
        directive("ErrorLog", (LOGS, f"/{ERROR_LOG}")),
        directive("ErrorLogFormat", ERROR_FORMAT),
        directive("CustomLog", (LOGS, f"/{ACCESS_LOG}"), ACCESS_FORMAT),
    )
