"""What lies behind the routes: one pool of connections each, and TLS that is verified unless there is none."""

from __future__ import annotations

from gatewright.compile.inputs import Inputs
from gatewright.compile.ir import Comment, Node, directive, section
from gatewright.model.gateway import Backend
from gatewright.model.values import BackendUrl, Duration, RoutePath


def target(path: RoutePath, url: BackendUrl) -> str:
    """The URL that stands for the route's path: its own path where it has one, the route's path otherwise."""
    return url.origin + (url.path or path)


def backends(inputs: Inputs) -> tuple[Node, ...]:
    """Connection pools and TLS of every backend."""
    return (*_pools(inputs), *_tls(inputs))


def _pools(inputs: Inputs) -> tuple[Node, ...]:
    """One pool for each origin, or for each URL where routes to one origin want different things.

    httpd takes the first pool whose URL begins the one it looks for and ignores what a later ``ProxyPass`` says of time
    limits (measured on 2.4.71), so the pools are declared on their own, longest URL first.
    """
    by_origin: dict[str, dict[str, Backend]] = {}
    for path, route in inputs.gateway.routes.items():
        if route.backend is not None:
            by_origin.setdefault(route.backend.url.origin, {})[target(path, route.backend.url)] = route.backend
    pools: dict[str, tuple[str, ...]] = {}
    for origin, targets in by_origin.items():
        wishes = {url: _options(backend) for url, backend in targets.items()}
        alike = len(set(wishes.values())) == 1
        pools |= {f"{origin}/": next(iter(wishes.values()))} if alike else wishes
    ordered = sorted(pools.items(), key=lambda item: (-len(item[0]), item[0]))
    return tuple(section("Proxy", url, children=(directive("ProxySet", *options),)) for url, options in ordered)


def _options(backend: Backend) -> tuple[str, ...]:
    options = (
        f"connectiontimeout={_length(backend.connect_timeout)}",
        f"timeout={-(-backend.timeout.milliseconds // 1000)}",
        "retry=0",
        "enablereuse=on" if backend.keep_alive else "disablereuse=on",
    )
    return (*options, "upgrade=websocket") if backend.websocket else options


def _length(duration: Duration) -> str:
    """As mod_proxy reads ``connectiontimeout``: with its unit. ``timeout`` takes whole seconds only, and is rounded up."""
    ms = duration.milliseconds
    return str(ms // 1000) if ms % 1000 == 0 else f"{ms}ms"


def _tls(inputs: Inputs) -> tuple[Node, ...]:
    """One ``<Proxy>`` for each ``https://`` origin, because mod_ssl allows these directives nowhere narrower."""
    origins = {}
    for route in inputs.gateway.routes.values():
        if route.backend is not None and route.backend.url.scheme == "https":
            origins[route.backend.url.origin] = route.backend
    if not origins:
        return ()
    return (
        Comment("Backends prove who they are: issuer, name and date (httpd's default is to ask for none of it)."),
        directive("SSLProxyEngine", "on"),
        directive("SSLProxyProtocol", "-all", "+TLSv1.2", "+TLSv1.3"),
        *(
            section(
                "Proxy",
                f"{origin}/",
                children=(
                    directive("SSLProxyVerify", "require"),
                    directive("SSLProxyVerifyDepth", "3"),
                    directive("SSLProxyCheckPeerName", "on"),
                    directive("SSLProxyCheckPeerExpire", "on"),
                    directive("SSLProxyCACertificateFile", inputs.backend_anchors(backend)),
                    *_shown(inputs, backend),
                ),
            )
            for origin, backend in sorted(origins.items())
        ),
    )


def _shown(inputs: Inputs, backend: Backend) -> tuple[Node, ...]:
    """The client certificate that this backend is shown."""
    if backend.client_certificate is None:
        return ()
    identity = inputs.backend_identities[backend.client_certificate]
    shown = (directive("SSLProxyMachineCertificateFile", str(identity.identity)),)
    if identity.chain is None:
        return shown
    return (*shown, directive("SSLProxyMachineCertificateChainFile", str(identity.chain)))
