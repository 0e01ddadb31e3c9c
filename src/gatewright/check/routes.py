"""Rules about routes: who may use them, what answers, and what could never be answered."""

from __future__ import annotations

from collections.abc import Iterator

from gatewright.check.registry import Finding, View, rule
from gatewright.errors import Severity
from gatewright.model.gateway import Backend
from gatewright.model.values import HostName

RESERVED = "/.gatewright"
"""The gateway's own URL space: reasons, probes of the proof."""

_STATIC_METHODS = {"GET", "HEAD", "OPTIONS"}
_LONGEST_MS = 30 * 86_400_000
_LOOPBACK = {HostName("localhost"), HostName("127.0.0.1"), HostName("::1")}


@rule("unknown-client")
def unknown_client(view: View) -> Iterator[Finding]:
    """A misspelt client would lock somebody out, or let in whoever gets that name later."""
    for path, route in view.gateway.routes.items():
        for index, name in enumerate(route.access.names):
            if name not in view.gateway.clients and name not in view.gateway.groups:
                meant = view.nearest(name, (*view.gateway.clients, *view.gateway.groups))
                fix = f"did you mean '{meant}'?" if meant else f"declare '{name}' under 'clients', or remove it here"
                what = f"route {path!r} names the client {name!r}, which is not declared"
                inner = (index,) if ("routes", path, "access", index) in view.declared.places else ("clients", index)
                yield Finding(("routes", path, "access", *inner), what, "a name that nobody has admits nobody", fix)


@rule("no-authority", of_the_whole=True)
def no_authority(view: View) -> Iterator[Finding]:
    """Without an authority no certificate can be verified, so a protected route is closed to everybody."""
    if view.gateway.authorities:
        return
    for path, route in view.gateway.routes.items():
        if not route.access.is_public:
            what = f"route {path!r} asks for a client certificate, and no authority is declared"
            why = "without an authority no certificate can be verified"
            fix = "add 'authorities: { home: { managed: true } }'"
            yield Finding(("routes", path, "access"), what, why, fix)


@rule("no-routes", of_the_whole=True)
def no_routes(view: View) -> Iterator[Finding]:
    """A gateway without routes refuses every request, which is safe and hardly ever meant."""
    if not view.gateway.routes:
        yield Finding(
            ("routes",), "no route is declared", "every request will be refused", "add a route", Severity.WARNING
        )


@rule("reserved-path")
def reserved_path(view: View) -> Iterator[Finding]:
    """The gateway answers under ``/.gatewright/`` itself; a route there would hide those answers or be hidden by them."""
    for path in view.gateway.routes:
        if path == RESERVED or path.startswith(RESERVED + "/"):
            what = f"route {path!r} lies in the gateway's own URL space"
            yield Finding(
                ("routes", path), what, f"{RESERVED}/ is kept for the gateway's own answers", "choose another path"
            )


@rule("method-never-answered")
def method_never_answered(view: View) -> Iterator[Finding]:
    """Apache httpd answers files and fixed responses to GET, HEAD and OPTIONS only; a promise of more would end in 405."""
    for path, route in view.gateway.routes.items():
        if route.backend is not None:
            continue
        kind = "files" if route.files is not None else "publish" if route.publish is not None else "respond"
        for index, method in enumerate(route.methods):
            if method not in _STATIC_METHODS:
                what = f"route {path!r} allows {method}, which a '{kind}' route never answers"
                why = f"httpd answers every {method} there with 405"
                yield Finding(("routes", path, "methods", index), what, why, f"remove {method}, or use a 'backend'")


@rule("head-without-get")
def head_without_get(view: View) -> Iterator[Finding]:
    """Apache httpd knows HEAD only as a GET without a body, so where it takes HEAD it takes GET (measured on httpd 2.4.71)."""
    for path, route in view.gateway.routes.items():
        if "HEAD" in route.methods and "GET" not in route.methods:
            index = route.methods.index("HEAD")
            what = f"route {path!r} allows HEAD and not GET"
            why = "httpd takes GET wherever it takes HEAD, so more would be open than is written here"
            yield Finding(("routes", path, "methods", index), what, why, "add GET, or remove HEAD")


@rule("respond-status")
def respond_status(view: View) -> Iterator[Finding]:
    """A final answer has a status from 200 to 599 (RFC 9110 §15); 1xx is never final."""
    for path, route in view.gateway.routes.items():
        if route.respond is not None and not 200 <= route.respond.status <= 599:
            what = f"route {path!r} answers with status {route.respond.status}"
            yield Finding(
                ("routes", path, "respond", "status"),
                what,
                "a final answer is 200 to 599",
                "write a status from 200 to 599",
            )


@rule("respond-without-body")
def respond_without_body(view: View) -> Iterator[Finding]:
    """204, 205 and 304 have no body (RFC 9110 §15.3.5, §15.3.6, §15.4.5): one that is declared would be lost."""
    for path, route in view.gateway.routes.items():
        respond = route.respond
        if respond is None or respond.status not in {204, 205, 304}:
            continue
        for name, body in (("json", respond.json), ("text", respond.text), ("html", respond.html)):
            if body is not None:
                what = f"route {path!r} declares a body, and status {respond.status} has none"
                yield Finding(
                    ("routes", path, "respond", name),
                    what,
                    "the body would be lost",
                    f"remove '{name}', or use status 200",
                )


@rule("publish-not-a-tree")
def publish_not_a_tree(view: View) -> Iterator[Finding]:
    """Each CRL has an address of its own, so what is published lies *below* a path."""
    for path, route in view.gateway.routes.items():
        if route.publish is not None and not path.is_tree:
            what = f"route {path!r} publishes several files under one exact path"
            yield Finding(("routes", path, "publish"), what, "a path ending in '/' covers them", f"write '{path}/'")


@rule("publish-nothing", of_the_whole=True)
def publish_nothing(view: View) -> Iterator[Finding]:
    """A partner publishes its own CRLs; without a managed authority every request for one would end in 404."""
    if view.gateway.managed_authorities:
        return
    for path, route in view.gateway.routes.items():
        if route.publish is not None:
            what = f"route {path!r} publishes CRLs, and no authority is managed here"
            yield Finding(
                ("routes", path, "publish"),
                what,
                "only managed authorities have CRLs of ours; a partner publishes its own",
                "remove the route, or add an authority with 'managed: true'",
            )


@rule("publish-not-public")
def publish_not_public(view: View) -> Iterator[Finding]:
    """Who verifies a certificate needs the CRL before it trusts anybody, and has seldom a client certificate itself."""
    for path, route in view.gateway.routes.items():
        if route.publish is not None and not route.access.is_public:
            what = f"route {path!r} gives CRLs only to callers with a client certificate"
            why = "servers and tools that fetch CRLs present none, and refuse every certificate without its CRL"
            yield Finding(("routes", path, "access"), what, why, "write 'access: public'", Severity.WARNING)


@rule("crl-url-of-partner")
def crl_url_of_partner(view: View) -> Iterator[Finding]:
    """The address of a partner's CRLs is the partner's to write into its certificates."""
    for name, authority in view.gateway.authorities.items():
        if authority.crl_url is not None and not authority.managed:
            what = f"authority {name!r} is a partner's and has a 'crl_url'"
            why = "only certificates that are issued here can be given an address"
            yield Finding(("authorities", name, "crl_url"), what, why, "remove 'crl_url'")


@rule("backend-is-gateway")
def backend_is_gateway(view: View) -> Iterator[Finding]:
    """A backend that is the gateway itself makes a request run in a circle until every worker is taken."""
    listen = view.gateway.listen
    own = {*view.gateway.hosts, *view.gateway.addresses, *_LOOPBACK}
    if listen.address is not None:
        own.add(listen.address)
    for path, route in view.gateway.routes.items():
        backend = route.backend
        if backend is not None and backend.url.port == listen.port and backend.url.host in own:
            what = f"route {path!r} forwards to {backend.url.origin}, the gateway's own port"
            why = "each request would come back until no worker is left"
            yield Finding(("routes", path, "backend", "url"), what, why, "write the backend's own port")


@rule("backend-path-slash")
def backend_path_slash(view: View) -> Iterator[Finding]:
    """Apache httpd replaces the text of the route's path, so ``/a/`` to ``/b`` turns ``/a/x`` into ``/bx``."""
    for path, route in view.gateway.routes.items():
        target = route.backend.url.path if route.backend is not None else ""
        if path.is_tree and target and not target.endswith("/"):
            what = f"route {path!r} ends in '/' and its backend path {target!r} does not"
            why = f"a request for {path}x would arrive as {target}x"
            yield Finding(("routes", path, "backend", "url"), what, why, f"write '{target}/'")


@rule("backend-https-address")
def backend_https_address(view: View) -> Iterator[Finding]:
    """Apache httpd compares a backend's certificate with DNS names only (measured on httpd 2.4.71: AH02411 for an IP SAN)."""
    for path, route in view.gateway.routes.items():
        backend = route.backend
        if backend is not None and backend.url.scheme == "https" and backend.url.host.is_address:
            what = f"route {path!r} verifies the backend's certificate against the IP address {backend.url.host}"
            why = "httpd compares certificates of backends with DNS names only, so every request would fail"
            yield Finding(("routes", path, "backend", "url"), what, why, "write the backend's DNS name, or http://")


@rule("ca-without-https")
def ca_without_https(view: View) -> Iterator[Finding]:
    """``ca`` with an ``http://`` backend would look like protection and do nothing."""
    for path, route in view.gateway.routes.items():
        backend = route.backend
        if backend is not None and backend.ca is not None and backend.url.scheme != "https":
            what = f"route {path!r} gives a 'ca' for an http:// backend"
            yield Finding(
                ("routes", path, "backend", "ca"),
                what,
                "there is no certificate to check",
                "write https://, or remove 'ca'",
            )


@rule("backend-ca-conflict")
def backend_ca_conflict(view: View) -> Iterator[Finding]:
    """Apache httpd keeps one set of CA certificates for each backend origin, so two routes to it must agree."""
    first: dict[str, tuple[str, str | None]] = {}
    for path, route in view.gateway.routes.items():
        backend = route.backend
        if backend is None or backend.url.scheme != "https":
            continue
        other, ca = first.setdefault(backend.url.origin, (path, backend.ca))
        if ca != backend.ca:
            what = f"routes {other!r} and {path!r} verify {backend.url.origin} with different 'ca' files"
            why = "httpd keeps one set of CA certificates for each backend; one of the two would silently win"
            yield Finding(("routes", path, "backend"), what, why, "write the same 'ca' in both")


@rule("backend-time-limit")
def backend_time_limit(view: View) -> Iterator[Finding]:
    """Apache httpd does not start with a limit of zero, nor with one its numbers cannot hold (measured on httpd 2.4.71)."""
    for path, route in view.gateway.routes.items():
        backend = route.backend
        limits = {"timeout": backend.timeout, "connect_timeout": backend.connect_timeout} if backend is not None else {}
        for key, limit in limits.items():
            if not 0 < limit.milliseconds <= _LONGEST_MS:
                what = f"the {key} of route {path!r} is {limit}"
                why = "httpd would not start with it"
                yield Finding(("routes", path, "backend", key), what, why, "write 1ms to 30d, for example 30s")


@rule("backend-settings-conflict")
def backend_settings_conflict(view: View) -> Iterator[Finding]:
    """Apache httpd keeps one set of limits for each backend URL, so two routes to the very same URL must agree."""
    first: dict[str, tuple[str, Backend]] = {}
    for path, route in view.gateway.routes.items():
        backend = route.backend
        if backend is None:
            continue
        url = backend.url.origin + (backend.url.path or path)
        other, kept = first.setdefault(url, (path, backend))
        for key in ("timeout", "connect_timeout", "keep_alive", "websocket"):
            if getattr(kept, key) != getattr(backend, key):
                what = f"routes {other!r} and {path!r} lead to {url} with different values of '{key}'"
                why = "httpd keeps one set of limits for each backend URL; one of the two would silently win"
                yield Finding(("routes", path, "backend", key), what, why, "write the same value in both")
