"""The gateway's own answers as files: fixed responses and one page for each reason a request is refused.

They are ``send-as-is`` files (headers, empty line, body: mod_asis), so a response may have any status. Error pages
run through ``INCLUDES`` (mod_include, without exec), which chooses HTML or JSON by the request's ``Accept`` and fills in
what is known of the request, entity-encoded in HTML and percent-encoded in JSON. Nothing is computed unless a request is
refused.
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import PurePosixPath

from gatewright.compile.inputs import Inputs
from gatewright.model import reasons
from gatewright.model.gateway import Respond
from gatewright.model.machine import OutputFile
from gatewright.model.reasons import Reason

REASON_VARIABLE = "GW_REASON"
"""Environment variable in which the configuration tells a page that stands for several reasons which one applies."""

HOURS = "GW_HOURS"
"""Variable of a request that only the hour keeps out: when the route is open, in words of the compiler's."""

DENIED = "denied"
"""The page for a protected route: it stands for several reasons, told apart when it is shown."""

DENIED_REASONS = (
    reasons.CERTIFICATE_REQUIRED,
    reasons.CERTIFICATE_REVOKED,
    reasons.OUTSIDE_HOURS,
    reasons.CERTIFICATE_NOT_AUTHORISED,
)

_OF_A_CERTIFICATE = frozenset({reasons.CERTIFICATE_REVOKED, reasons.OUTSIDE_HOURS, reasons.CERTIFICATE_NOT_AUTHORISED})

UNAUTHENTICATED_REASONS = (
    reasons.CREDENTIALS_REQUIRED,
    reasons.CREDENTIALS_INVALID,
    reasons.TOKEN_INVALID,
    reasons.TOKEN_BOUND_ELSEWHERE,
)
"""Those of a 401, told apart when its page is shown."""

UNAUTHENTICATED = "unauthenticated"

_GROUPS = {DENIED: DENIED_REASONS, UNAUTHENTICATED: UNAUTHENTICATED_REASONS}

_STYLE = (
    ":root{color-scheme:light dark;--ink:#1c2733;--soft:#5a6b7b;--back:#f4f6f8;--card:#fff;--line:#d5dce3;--code:#eef2f5;--link:#0b5cad}"
    "@media(prefers-color-scheme:dark){:root{--ink:#e3e9ef;--soft:#a3b3c2;--back:#10161c;--card:#18212a;--line:#31404e;--code:#25313c;"
    "--link:#8ac2ff}}"
    "body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--back);margin:0;padding:6vh 1rem}"
    "main{max-width:40rem;margin:auto;background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1.5rem 2rem}"
    "h1{font-size:1.4rem;line-height:1.25;margin:0 0 1rem}h2{font-size:1.05rem;margin:1.5rem 0 .5rem}ol{margin:0;padding-left:1.4rem}"
    "a{color:var(--link)}code{background:var(--code);padding:.1em .3em;border-radius:3px;overflow-wrap:anywhere}"
    "dl{border-top:1px solid var(--line);margin:1.5rem 0 0;padding-top:.4rem}dt{color:var(--soft);font-size:.85rem;margin-top:.6rem}dd{margin:0}"
)
"""Dark for readers who prefer it. Text against its ground has at least 4.5:1 in both (WCAG 2.2, success criterion 1.4.3)."""

SECURITY_POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do with an error page: apply its one style sheet, and nothing else (CSP level 3)."""

_GUARDS = f"Content-Security-Policy: {SECURITY_POLICY}\nX-Content-Type-Options: nosniff\nReferrer-Policy: no-referrer\n"

BROWSER_HELP = "in-a-browser"
"""The fragment of the page on a missing certificate that tells how a browser presents one."""

# Where each browser keeps certificates; docs/browser.md tells the same at length.
_IN_A_BROWSER = (
    f'<section id="{BROWSER_HELP}"><h2>In a browser</h2><ol>'
    "<li>Import the <code>.p12</code> file that you were given. Chrome and Edge: Settings, Privacy and security, Security, "
    "Manage certificates. Firefox: Settings, Privacy &amp; Security, View Certificates, Your Certificates. "
    "Safari: open the file with Keychain Access.</li>"
    "<li>Close every window of the browser and start it again: it may remember that no certificate was shown.</li>"
    '<li>Open <a href="">this page</a> again and choose the certificate when you are asked.</li></ol></section>'
)


WAS_CHECKED = "1"
"""What the authorizer's variable holds once it has answered; it ends the name of the page for a 500 that came later."""

BACKEND_REASONS = (reasons.BACKEND_NOT_VERIFIED, reasons.BACKEND_INVALID)
"""What one page tells of a backend that answered nothing usable; its name is the last one's code."""

_NO_TLS = "reqenv('REDIRECT_ERROR_NOTES') =~ /SSL Handshake/"
"""Whether TLS with the backend did not come about.

mod_proxy gives it no status of its own (500, as when a backend hangs up) and no number, but this note for the error page, which
no client can write: "Error during SSL Handshake with remote server" (measured on httpd 2.4.71, HTTP/1.1 and HTTP/2).
"""

TIMED_OUT = "1"
"""What httpd's note ``proxy_timedout`` holds when a backend stayed silent; it ends the name of the page for 502."""


def page_name(reason: Reason) -> str:
    """The URL name of the page that tells ``reason``, below the gateway's reserved path."""
    if reason in BACKEND_REASONS:
        return BACKEND_REASONS[-1].code
    return next((name for name, group in _GROUPS.items() if reason in group), reason.code)


def error_pages() -> tuple[OutputFile, ...]:
    """Every error page, by name."""
    together = {*BACKEND_REASONS, *(reason for group in _GROUPS.values() for reason in group)}
    single = [(reason.code, {"": reason}) for reason in reasons.ALL if reason not in together]
    silent = (f"{reasons.BACKEND_INVALID.code}{TIMED_OUT}", {"": reasons.BACKEND_TIMEOUT})
    backend = {_NO_TLS: reasons.BACKEND_NOT_VERIFIED, "": reasons.BACKEND_INVALID}
    failed = (page_name(reasons.BACKEND_INVALID), backend)
    checked = (f"{reasons.CREDENTIALS_UNAVAILABLE.code}{WAS_CHECKED}", backend)
    told_apart = [
        (name, {f"reqenv('{REASON_VARIABLE}') == '{reason.code}'": reason for reason in group})
        for name, group in _GROUPS.items()
    ]
    return tuple(_page(name, group) for name, group in [*told_apart, silent, checked, failed, *single])


def _page(name: str, group: Mapping[str, Reason]) -> OutputFile:
    """The page ``name`` for the first reason of ``group`` whose condition holds; an empty condition always does."""
    first = next(iter(group.values()))
    body = (
        '<!--#if expr="%{HTTP_ACCEPT} =~ m#text/html#" -->'
        + _chosen(group, _html)
        + "<!--#else -->"
        + _chosen(group, _json)
        + "<!--#endif -->"
    )
    # RFC 9110 §10.2.3, in seconds: a first contact is judged in a fraction of one.
    again = "Retry-After: 1\n" if first is reasons.CERTIFICATE_NOT_ENROLLED_YET else ""
    head = f"Status: {first.status} {first.phrase}\nCache-Control: no-store\n{again}Vary: Accept\n{_GUARDS}\n"
    return OutputFile(PurePosixPath(f"{name}.asis"), (head + body).encode(), public=True)


def _chosen(group: Mapping[str, Reason], tell: Callable[[Reason], str]) -> str:
    if len(group) == 1:
        return tell(next(iter(group.values())))
    parts = []
    for number, (condition, reason) in enumerate(group.items()):
        word = "if" if number == 0 else "elif"
        mark = f'<!--#{word} expr="{condition}" -->' if condition else "<!--#else -->"
        parts.append(f"{mark}{tell(reason)}")
    return "".join(parts) + "<!--#endif -->"


def _echo(variable: str, encoding: str) -> str:
    return f'<!--#echo encoding="{encoding}" var="{variable}" -->'


def _open() -> str:
    """When the route is open. Letters, digits, spaces, colons and commas of the compiler's: the same in HTML and JSON."""
    return _echo(f"REDIRECT_{HOURS}", "entity")


def _html(reason: Reason) -> str:
    subject = f"<dt>Open</dt><dd>{_open()}</dd>" if reason is reasons.OUTSIDE_HOURS else ""
    if reason in _OF_A_CERTIFICATE:
        subject += f"<dt>Certificate</dt><dd><code>{_echo('SSL_CLIENT_S_DN', 'entity')}</code></dd>"
    pointer = section = ""
    if reason is reasons.CERTIFICATE_REQUIRED:
        pointer, section = f'<p><a href="#{BROWSER_HELP}">How to do that in a browser</a></p>', _IN_A_BROWSER
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{html.escape(reason.title)}</title><style>{_STYLE}</style></head><body><main>"
        f"<h1>{html.escape(reason.title)}</h1><p>{html.escape(reason.what)}</p><p>{html.escape(reason.remedy)}</p>"
        f"{pointer}<dl><dt>Address</dt><dd><code>{_echo('REDIRECT_URL', 'entity')}</code></dd>{subject}"
        f"<dt>Reason</dt><dd><code>{reason.code}</code> ({reason.status})</dd>"
        f"<dt>Request id</dt><dd><code>{_echo('UNIQUE_ID', 'entity')}</code></dd></dl>{section}</main></body></html>\n"
    )


def _json(reason: Reason) -> str:
    fixed = json.dumps({"error": reason.code, "status": reason.status, "title": reason.title, "detail": reason.what,
                        "remedy": reason.remedy})  # fmt: skip
    subject = f', "open": "{_open()}"' if reason is reasons.OUTSIDE_HOURS else ""
    if reason in _OF_A_CERTIFICATE:
        subject += f', "subject": "{_echo("SSL_CLIENT_S_DN", "url")}"'
    return f'{fixed[:-1]}, "path": "{_echo("REDIRECT_URL", "url")}"{subject}, "request_id": "{_echo("UNIQUE_ID", "url")}"}}\n'


def response_name(respond: Respond) -> str:
    """The file name of a fixed response: equal responses share one file."""
    return f"respond-{sha256(_response(respond)).hexdigest()[:16]}.asis"


def responses(inputs: Inputs) -> tuple[OutputFile, ...]:
    """The files of every ``respond`` route."""
    found = {response_name(r.respond): r.respond for r in inputs.gateway.routes.values() if r.respond is not None}
    return tuple(OutputFile(PurePosixPath(name), _response(found[name]), public=True) for name in sorted(found))


def _response(respond: Respond) -> bytes:
    if respond.json is not None:
        kind, body = "application/json", json.dumps(respond.json, ensure_ascii=False) + "\n"
    elif respond.html is not None:
        kind, body = "text/html; charset=utf-8", respond.html
    else:
        kind, body = "text/plain; charset=utf-8", respond.text or ""
    return f"Status: {respond.status}\nContent-Type: {kind}\n\n{body}".encode()
