"""docs/errors.md: every answer of the gateway's own, from ``model.reasons``, and every refusal in the handshake, from ``diagnose``.

What the caller is told comes from the source. What the operator can do stands here, because no caller is told it.
"""

from __future__ import annotations

import re

from gatewright.diagnose.refusals import _BY_ALERT, _BY_NUMBER, _BY_REASON
from gatewright.model import reasons
from gatewright.pki.openssl_errors import markdown

OPERATOR: dict[str, tuple[str, str]] = {
    "client_certificate_required": (
        "Nothing, if the caller has none. A caller who has one and sees this: its program did not send it, often because the file holds "
        "no key, because a proxy between ends TLS, or because the browser was asked before and was told no.",
        '`"verify":"NONE"` in `access.log`; `no client certificate` in `gatewright.log`',
    ),
    "certificate_revoked": (
        "`gatewright cert list --status revoked` says since when; `gatewright cert issue NAME` makes a new one; a hold ends with "
        "`gatewright cert release NAME`.",
        "`serial` in `access.log` is the certificate's",
    ),
    "certificate_not_authorised": (
        "`gatewright explain --cert FILE --route PATH` names the line that refuses, and what would admit.",
        "`dn` and `serial` in `access.log` say who came, `route` which rule was asked",
    ),
    "outside_hours": (
        "Nothing, if the hours are meant; else change `during` of the route. Times are UTC.",
        "`route` and `ts` in `access.log`",
    ),
    "certificate_not_enrolled_yet": (
        "Usually nothing: the next request is decided. If it stays so, the supervisor does not run (`gatewright status`), or the authority floods "
        "([Enrolment](enrolment.md)). `gatewright client enrol NAME FILE` does it beforehand.",
        "what was made of the certificate stands in `gatewright.log`",
    ),
    "no_such_route": (
        "Add a route if something should be there. A path without a slash at its end is exact.",
        '`"route":"-"` in `access.log`',
    ),
    "unsafe_path": ("Nothing; such paths are refused on every route.", "`path` in `access.log`, escaped"),
    "route_shut": (
        "`gatewright status` says what the proof found; `gatewright apply` makes the configuration anew, proves it and opens the route.",
        "the finding stands in `gatewright.log` and in the report in `reports/`",
    ),
    "credentials_required": ("Nothing; the caller must send what the route demands.", "status 401 in `access.log`"),
    "credentials_invalid": (
        "`gatewright user list FILE`; `gatewright user add FILE NAME` makes a new password.",
        "`error.log` by the request id: unknown user (AH01618) or wrong password (AH01617)",
    ),
    "token_invalid": (
        "Look for the cause in the log: expired, other issuer, other audience, unknown key. `gatewright jwks` fetches keys anew.",
        "`authorizer.log` by the request id",
    ),
    "token_bound_to_another_certificate": (
        "Have the issuer bind tokens to the certificate that the client uses here; a renewed certificate needs a new token. "
        "`bound: optional` admits unbound tokens.",
        "`authorizer.log` by the request id",
    ),
    "credentials_unavailable": (
        "`gatewright status`: the authorizer or its keys are missing. `gatewright up` starts it again where the supervisor is gone.",
        "`gatewright.log` and `authorizer.log`",
    ),
    "unknown_host": (
        "Add the name to `gateway` if it is yours; look at who sends it if it is not.",
        "`sni` in `access.log`, `vh=unknown.gatewright.invalid` in `error.log`",
    ),
    "bad_request": ("Nothing.", "`error.log` by the request id says which rule of HTTP was broken"),
    "not_found": (
        "Look into the folder that the route names; as root, the published copy follows within a second.",
        "`path` in `access.log`",
    ),
    "method_not_allowed": ("Add the method to the route's `methods` if it is meant.", "`method` in `access.log`"),
    "misdirected_request": (
        "Nothing in the gateway. A balancer or proxy that rewrites `Host`, or a client that uses one connection for several names, causes it.",
        "`sni` in `access.log` beside the name asked for; AH02032 in `error.log`",
    ),
    "internal_error": (
        "`gatewright status`, then the log; report what looks like our mistake.",
        "`error.log` by the request id",
    ),
    "backend_unreachable": (
        "Start the service, or correct the route's `backend`.",
        "`gatewright.log` names the backend; AH01114 or AH00957 in `error.log`",
    ),
    "backend_invalid_response": (
        "Look into the service's own log at that time. Over TLS 1.3 it may have refused the gateway's certificate: `gatewright.log` then says so.",
        "`gatewright.log` names the backend and the cause",
    ),
    "backend_not_verified": (
        "Renew or correct the backend's certificate, or the route's `ca`: [TLS to backends](backend-tls.md).",
        "`gatewright.log` names the backend, the certificate and OpenSSL's number",
    ),
    "backend_timeout": (
        "Find out what keeps the service; the limits are the route's.",
        "`us` in `access.log` is the time taken, in microseconds",
    ),
}
"""By reason: what the operator can do, and how to see it in the log."""

_HEAD = """\
# What callers see when they are refused

Generated from the source by `python -m tests.tools.docs`; do not edit.

There are two places to be refused. *In the handshake*, before HTTP begins: there is no page, the caller's program shows a TLS alert.
*By an answer*: a status with a reason code that stays the same from release to release, as a page for browsers and as JSON for everybody else:

```json
{"error": "client_certificate_required", "status": 403, "title": "…", "detail": "…", "remedy": "…", "path": "…", "request_id": "…"}
```

Every answer has a request id. In the gateway's folder `grep ID logs/access.log` shows the request and whose it was, `grep ID logs/error.log` what
httpd said of it. `logs/gatewright.log` tells the same events in one plain line each, refusals in the handshake included. A log that reaches
32 MB is copied to `access.log.1` and begins anew; five copies stay.

## Answers

| Reason | Status | Title |
|---|---|---|
"""

_HANDSHAKE = """
## In the handshake: the client's certificate

A certificate that does not verify ends the connection on *every* route, on public ones too; only having none leads to an answer. The caller sees an alert, such
as curl's `alert unknown ca` or `alert certificate expired`, often only when it reads the answer (curl's exit code 56 or 55). The gateway's log says which certificate of the chain did not
verify (the client's own, or a CA sent along) and why, after `refused in the handshake:`. The number is OpenSSL's; its page has the cause and the fix for both sides.

| Number | The certificate … |
|---|---|
"""

_CLIENT = """
## In the handshake: what the client did

After `no handshake:` in the log. The number is OpenSSL's reason code.

| Number | The client … |
|---|---|
"""

_ALERTS = """
## In the handshake: what the client refused

Alerts that the client sent (RFC 8446 §6): here it is the client that does not like the gateway.

| Alert | The client … |
|---|---|
"""


def errors_page() -> str:
    """The page; ``KeyError`` where a reason has no word for the operator."""
    index = [f"| [`{r.code}`](#{r.code}) | {r.status} | {r.title} |\n" for r in reasons.ALL]
    answers = [
        f"\n### `{r.code}`\n\n{r.status} {r.phrase}: {r.title}. {r.what}\n\n"
        f"- Caller: {r.remedy}\n- Operator: {OPERATOR[r.code][0]}\n- Log: {OPERATOR[r.code][1]}.\n"
        for r in reasons.ALL
    ]
    anchors = {int(m[1]): _anchor(m[0]) for m in re.finditer(r"^## (\d+): .*$", markdown(), re.MULTILINE)}
    numbers = [f"| [{n}](verify.md#{anchors[n]}) | {_words(w)} |\n" for n, w in sorted(_BY_NUMBER.items())]
    client = [f"| {n} | {_words(w)} |\n" for n, w in sorted(_BY_REASON.items())]
    alerts = [f"| {n} | {_words(w)} |\n" for n, w in sorted(_BY_ALERT.items())]
    return "".join([_HEAD, *index, *answers, _HANDSHAKE, *numbers, _CLIENT, *client, _ALERTS, *alerts])


def _anchor(heading: str) -> str:
    """The anchor that a forge and MkDocs give to a heading."""
    text = re.sub(r"[^\w\s-]", "", heading.removeprefix("## ").lower()).strip()
    return re.sub(r"\s+", "-", text)


def _words(text: str) -> str:
    filled = text.format(issuer="its issuer", before="the day it begins", after="its last day")
    return filled.replace("|", "\\|")
