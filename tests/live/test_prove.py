"""The prover finds nothing at a sound gateway, and finds every weakness that is put into one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewright.prove.cases import Family
from gatewright.prove.report import Report
from tests.live.backend import backend
from tests.live.conftest import Lab
from tests.live.httpd import running, site
from tests.live.pki import Pair, make
from tests.live.proving import Change, prove

pytestmark = pytest.mark.live

GATEWAY = """
gateway: localhost
listen: 0
authorities:
  home: {{ managed: true }}
  globex: {{ anchor: globex.pem }}
clients:
  alice: {{ authority: home, san: alice.example.org }}
  bob: {{ authority: home, san: bob.example.org }}
  erp: {{ authority: globex, subject: {{ organization: Globex, common_name: erp }} }}
routes:
  /health:   {{ respond: {{ status: 200 }}, access: public }}
  /open/:    {{ backend: "http://127.0.0.1:{port}", access: public }}
  /site/:    {{ files: site/unprotected, access: public }}
  /any/:     {{ files: site/protected, access: any-client }}
  /alice/:   {{ backend: "http://127.0.0.1:{port}", access: [alice], methods: [GET, POST] }}
  /erp/:     {{ backend: "http://127.0.0.1:{port}/inner/", access: [erp] }}
  /exact:    {{ respond: {{ text: exact }}, access: [alice, erp] }}
"""


@pytest.fixture(scope="module")
def authorities(lab: Lab) -> dict[str, Pair]:
    """One authority that may have no CAs below it, and one that may."""
    root = make("loose root", ca=True)
    return {"home": lab.home, "globex": make("globex issuing", root, ca=True)}


@pytest.fixture(scope="module")
def text() -> Iterator[str]:
    """The gateway file, with a real backend behind it."""
    with backend() as port:
        yield GATEWAY.format(port=port)


def told(report: Report) -> str:
    """Everything that a failing test should show."""
    return "\n".join(f"{v.case.id}\n  {v.case.expected}\n  {v.evidence}" for v in report.findings)


def test_a_sound_gateway_is_proven(text: str, authorities: dict[str, Pair], tmp_path: Path) -> None:
    """Nothing is found, every family is tried, every test certificate is gone."""
    site(tmp_path)
    with running(text, tmp_path, authorities) as gate:
        report = prove(gate, text, authorities, thorough=True)
    assert report.proven, told(report)
    assert set(report.summary) == set(Family) - {Family.CREDENTIALS}  # no route here asks for any
    assert report.identities
    assert all(identity.gone for identity in report.identities)
    assert not report.not_covered


def cut(line: str) -> Change:
    """Every line that matches the pattern is gone."""
    return lambda conf: re.sub(rf"(?m)^ *{line}.*\n", "", conf)


def put(pattern: str, instead: str) -> Change:
    """Every match of the pattern is replaced."""
    return lambda conf: re.sub(pattern, instead, conf)


_ROUTE = r"(?s)(<Location {path}>.*?)<RequireAll>.*?</RequireAll>"
WEAKENED: dict[str, tuple[Change, set[Family]]] = {
    "a route opened": (
        put(_ROUTE.format(path="/alice/"), r"\1Require all granted"), {Family.NO_CERTIFICATE, Family.WRONG_CLIENT}),
    "any certificate on a named route": (
        put(r"(?s)(<Location /alice/>.*?Require expr \"%\{SSL_CLIENT_VERIFY\}[^\n]*\n)[^\n]*\n", r"\1"), {Family.WRONG_CLIENT}),
    "the issuer is not asked": (
        put(r"\(%\{SSL_CLIENT_I_DN\} in \{[^}]*\}\) && ", ""), {Family.WRONG_CLIENT}),
    "only the first part of a subject counts": (
        put(r" && \(-z %\{SSL_CLIENT_S_DN_[A-Z]+_1\}\)", ""), {Family.WRONG_CLIENT}),
    "revocation is not looked at": (cut(r"Require expr .*SSL_CLIENT_CERT.*"), {Family.WRONG_MOMENT}),
    "CAs below an anchor": (put("SSLVerifyDepth 0", "SSLVerifyDepth 2"), {Family.WRONG_CERTIFICATE}),
    "certificates are not verified": (
        put("SSLVerifyClient optional", "SSLVerifyClient optional_no_ca"), {Family.WRONG_CERTIFICATE}),
    "certificates are not asked for": (
        put("SSLVerifyClient optional", "SSLVerifyClient none"), {Family.ADMITTED}),
    "sessions are resumed": (put("SSLSessionTickets off", "SSLSessionTickets on"), {Family.RESUMPTION}),
    "an identity header passes": (cut("RequestHeader unset X-SSL-Client-Verify"), {Family.HEADER_SPOOFING}),
    "underscores pass": (cut("RequestHeader unset client_cert|RequestHeader unset Client_Cert"), {Family.HEADER_SPOOFING}),
    "a mixture of separators passes": (cut(r"RequestHeader unset X-SSL_Client[.]S-DN"), {Family.HEADER_SPOOFING}),
    "dots of others pass": (cut("RequestHeader unset X[.]Remote[.]User"), {Family.HEADER_SPOOFING}),
    "a length that httpd has not read passes": (cut("RequestHeader unset Content_Length"), {Family.HEADER_SPOOFING}),
    "Connection removes identity": (cut(r"RequestHeader edit\* Connection"), {Family.HEADER_SPOOFING}),
    "identity is not announced": (cut("RequestHeader set X-Client-Serial"), {Family.HEADER_SPOOFING}),
    "the certificate keeps its armour": (cut(r"RequestHeader edit\* Client-Cert"), {Family.HEADER_SPOOFING}),
    "unknown names are served": (
        put(r"(?s)<VirtualHost .*?ServerName \"unknown.*?</VirtualHost>\n", ""), {Family.NAME_CONFUSION}),
    "names in handshake and request may differ": (
        put("SSLVHostSNIPolicy strict", "SSLVHostSNIPolicy insecure"), {Family.NAME_CONFUSION}),
    "what no route covers is served": (
        put(r"(?s)<Location />\n *Require all denied", "<Location />\n Require all granted"), {Family.PATH_CONFUSION}),
    "an exact route covers what is below": (
        put(r"(?s)<Location /exact/>.*?</Location>", ""), {Family.PATH_CONFUSION}),
    "unsafe paths pass": (put(r"(?s)<LocationMatch .*?</LocationMatch>", ""), {Family.PATH_CONFUSION}),
    "all methods": (put("AllowMethods GET POST", "AllowMethods reset"), {Family.METHODS}),
    "unsafe HTTP": (put("HttpProtocolOptions Strict", "HttpProtocolOptions Unsafe"), {Family.FRAMING}),
    "weak suites": (put(r'SSLCipherSuite "?ECDHE[^\n]*', "SSLCipherSuite ALL"), {Family.TLS_STRENGTH}),
    "old versions": (
        lambda conf: put(r'SSLCipherSuite "?ECDHE[^\n]*', "SSLCipherSuite ALL:@SECLEVEL=0")(
            put(r"SSLProtocol -all", "SSLProtocol -all +TLSv1 +TLSv1.1")(conf)), {Family.TLS_STRENGTH}),
    "weak certificates": (
        put(r'SSLCipherSuite "?(ECDHE[^\n"]*)"?', r'SSLCipherSuite "\1:@SECLEVEL=0"'), {Family.WRONG_PURPOSE}),
    "HTTP/2 is off": (put("Protocols h2 http/1.1", "Protocols http/1.1"), {Family.ADMITTED}),
}  # fmt: skip


@pytest.mark.parametrize("weakness", WEAKENED)
def test_a_weakness_is_found(weakness: str, text: str, authorities: dict[str, Pair], tmp_path: Path) -> None:
    """Weakened in one way, the same gateway is not proven, and the finding is of the right family."""
    site(tmp_path)
    change, families = WEAKENED[weakness]
    changed: list[bool] = []

    def weaken(conf: str) -> str:
        changed.append(change(conf) != conf)
        return change(conf)

    with running(text, tmp_path, authorities, weaken) as gate:
        gate.expect("AH02261", "AH02262", "AH10421", "AH10191", "AH00128")
        report = prove(gate, text, authorities)
    assert changed == [True]
    assert families <= {v.case.family for v in report.findings}, told(report)


@pytest.mark.slow
def test_a_half_open_handshake_without_a_limit_is_found(
    text: str, authorities: dict[str, Pair], tmp_path: Path
) -> None:
    """Without a limit on handshakes, silence holds a worker longer than the prover waits."""
    site(tmp_path)
    with running(text, tmp_path, authorities, cut("RequestReadTimeout")) as gate:
        report = prove(gate, text, authorities, thorough=True)
    assert {v.case.family for v in report.findings} == {Family.EXHAUSTION}
