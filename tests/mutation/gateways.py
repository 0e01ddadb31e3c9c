"""The gateways that are weakened: the article's, one with everything, one where every client must show a certificate."""

from __future__ import annotations

from gatewright.prove.cases import Family

WIDE = """
gateway: api.example.org
listen: {gate}
authorities:
  home: {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
  bob: {{ authority: home, san: bob.example.org }}
  erp: {{ authority: globex, subject: {{ organization: Globex, common_name: erp }} }}
routes:
  /health:       {{ respond: {{ status: 200 }}, access: public }}
  /open/:        {{ backend: "http://127.0.0.1:{backend}", access: public }}
  /open/shut/:   {{ respond: {{ text: nested }}, access: [alice] }}
  /any/:         {{ files: site/protected, access: any-client }}
  /alice/:       {{ backend: "http://127.0.0.1:{backend}", access: [alice], methods: [GET, POST] }}
  /erp/:         {{ backend: {{ url: "https://localhost:{dead}", ca: server-root.pem }}, access: [erp] }}
  /exact:        {{ respond: {{ text: exact }}, access: [alice, erp] }}
"""
GROUPED = """
gateway: api.example.org
listen: {gate}
authorities:
  home: {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
  bob: {{ authority: home, san: bob.example.org }}
  mailer: {{ authority: globex, email: erp@globex.example }}
  card: {{ authority: globex, serial: "0a1b2c" }}
groups:
  staff: [alice]
  partners: [mailer]
routes:
  /staff/:       {{ respond: {{ text: staff }}, access: [staff] }}
  /partners/:    {{ respond: {{ text: partners }}, access: [partners] }}
  /any-of/:      {{ respond: {{ text: globex }}, access: {{ clients: [alice], any-of: [globex] }} }}
  /mail/:        {{ respond: {{ text: mail }}, access: [mailer] }}
  /card/:        {{ respond: {{ text: card }}, access: [card] }}
  /never/:       {{ respond: {{ text: shut }}, access: {{ clients: [alice], during: {{ days: [{shut}] }} }} }}
  /never/below/: {{ respond: {{ text: below }}, access: [bob] }}
"""
ARTICLE = """
gateway: localhost
listen: {gate}
authorities:
  home: {{ managed: true }}
routes:
  /unprotected/: {{ files: site/unprotected, access: public }}
  /main.html:    {{ files: site/main.html, access: public }}
  /health:       {{ respond: {{ status: 200, json: {{ status: ok }} }}, access: public }}
  /protected/:   {{ files: site/protected, access: any-client }}
"""
TOLD = """
gateway: api.example.org
listen: {gate}
authorities:
  home: {{ managed: true }}
routes:
  /health:      {{ respond: {{ status: 200 }}, access: public }}
  /all/:
    access: any-client
    backend:
      url: http://127.0.0.1:{backend}
      signed: orders
      identity: [client-cert, x-client-subject, x-client-issuer, x-client-serial, x-client-not-after, x-client-dns,
                 x-client-email, xfcc, x-ssl-client]
  /all/below/:  {{ backend: {{ url: "http://127.0.0.1:{backend}", identity: [nothing] }}, access: any-client }}
"""
CLOSED = """
gateway: api.example.org
listen: {gate}
authorities:
  home: {{ managed: true }}
routes:
  /protected/:   {{ files: site/protected, access: any-client }}
"""
APART = """
gateway: api.example.org
listen: {gate}
authorities:
  home: {{ managed: true }}
  legacy: {{ anchor: legacy.pem, host: legacy.example.org, depth: 1 }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
  till: {{ authority: legacy, san: till.legacy.example }}
routes:
  /health:       {{ respond: {{ status: 200 }}, access: public }}
  /any/:         {{ files: site/protected, access: any-client }}
  /till/:        {{ backend: "http://127.0.0.1:{backend}", access: [alice, till] }}
"""
TABLE = """
gateway: localhost
listen: {gate}
authorities:
  home: {{ managed: true }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
routes:
  /health:       {{ respond: {{ status: 200 }}, access: public }}
  /site/:        {{ files: site/unprotected, access: public }}
  /open/:        {{ backend: "http://127.0.0.1:{backend}", access: public }}
  /open/shut/:   {{ respond: {{ text: nested }}, access: [alice] }}
  /alice/:       {{ backend: "http://127.0.0.1:{backend}", access: [alice], methods: [GET, POST] }}
"""
DEMANDING = """
gateway: api.example.org
listen: {gate}
authorities:
  home: {{ managed: true }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
  bob: {{ authority: home, san: bob.example.org }}
routes:
  /health:       {{ respond: {{ status: 200 }}, access: public }}
  /token/:
    backend: "http://127.0.0.1:{backend}"
    access: [alice]
    credentials: {{ bearer: {{ issuer: "https://login.example", audience: api, jwks: keys.json }} }}
  /token/name/:  {{ backend: "http://127.0.0.1:{backend}", access: [alice], credentials: {{ basic: users }} }}
  /token/plain/: {{ backend: "http://127.0.0.1:{backend}", access: [alice] }}
"""
GATEWAYS = {
    "wide": WIDE,
    "article": ARTICLE,
    "closed": CLOSED,
    "apart": APART,
    "table": TABLE,
    "told": TOLD,
    "grouped": GROUPED,
    "demanding": DEMANDING,
}
"""By name. What they say outside their virtual hosts is the same, and is weakened in the first only."""
# Of these only what makes them others than the first two is weakened: how certificates are asked for, an authority's own host.
LIMITED = {
    "closed": ("SSLVerifyClient",),
    "apart": ("legacy",),
    "told": ("Location /all",),
    "grouped": ("/RequireAll/Require expr", "/SetEnvIf", "/ElseIf #2"),
    "demanding": (
        "/Auth",
        "/Require user",
        "/Require valid-user",
        "/token//RequireAll/Require expr #4",
        "/SetEnvIf",
        "set X-Token-Subject",
        "set X-Basic-User",
        "unset Authorization",
        "/token//RequireAll:",
        "/name//RequireAll:",
    ),
    "table": ("/Rewrite", "/ProxyPass", "/If", "/Location /:", "/LocationMatch"),
}
TABLES = frozenset({"table"})
"""Those whose routes are made into a table, however few they are."""

# What is tried first; the rest follows where that finds nothing, so this saves time and changes no result.
FIRST: tuple[tuple[str, Family], ...] = (
    ("RequestHeader", Family.HEADER_SPOOFING),
    ("Include", Family.HEADER_SPOOFING),
    ("AllowMethods", Family.METHODS),
    ("TraceEnable", Family.METHODS),
    ("HttpProtocolOptions", Family.FRAMING),
    ("SSLSession", Family.RESUMPTION),
    ("SSLVHost", Family.NAME_CONFUSION),
    ("host unknown", Family.NAME_CONFUSION),
    ("LocationMatch", Family.PATH_CONFUSION),
    ("SSLVerify", Family.WRONG_CERTIFICATE),
    ("SSLCipherSuite", Family.TLS_STRENGTH),
    ("SSLProtocol", Family.TLS_STRENGTH),
    ("rev/", Family.WRONG_MOMENT),
    ("SSL_CLIENT", Family.WRONG_CLIENT),
    ("deleted", Family.NO_CERTIFICATE),
    ("granted", Family.NO_CERTIFICATE),
)
