from __future__ import annotations

import time

import pytest
from tests.test_golden_refusals import CASES
from tests.unit.check.certificates import NOW

from gatewright.check import RULES, Facts, PathFact, PathKind, check
from gatewright.errors import Severity
from gatewright.model.gateway import Declared
from gatewright.source import load

HEAD = "gateway: api.example.org\nlisten: 8443\nauthorities: { home: { managed: true }, x: { managed: true } }\n"
TWO = "clients: { a: { authority: home, san: a.example.org }, b: { authority: home, san: b.example.org } }\n"


def declared(routes: str, clients: str = TWO) -> Declared:
    return load(f"{HEAD}{clients}routes: {{ {routes} }}\n", "gateway.yaml")


def codes(routes: str, clients: str = TWO, **paths: PathKind) -> list[str]:
    facts = Facts(NOW, paths={name: PathFact(kind) for name, kind in paths.items()})
    return [d.code for d in check(declared(routes, clients), facts)]


def test_unused_names_are_warnings() -> None:
    """A client that no route names and an authority without clients are warned of, not refused."""
    found = check(declared('/: { backend: "http://b:1", access: [a] }'), Facts(NOW))
    assert [(d.code, d.severity) for d in found] == [
        ("unused-authority", Severity.WARNING),
        ("unused-client", Severity.WARNING),
    ]


def test_any_client_uses_every_authority() -> None:
    """Where any client may come, no authority and no client is unused."""
    assert codes('/: { backend: "http://b:1", access: any-client }') == []


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ('/a/: { backend: "http://localhost:8443"', ["backend-is-gateway"]),
        ('/a/: { backend: "http://api.example.org:8443"', ["backend-is-gateway"]),
        ('/a/: { backend: "http://localhost:8444"', []),
        ('/a/: { backend: "http://other.example.org:8443"', []),
        ('/a/: { backend: "http://b:1/c"', ["backend-path-slash"]),
        ('/a/: { backend: "http://b:1/c/"', []),
        ('/a: { backend: "http://b:1/c"', []),
        ("/.gatewright: { respond: {}", ["reserved-path"]),
        ("/.gatewright/: { respond: {}", ["reserved-path"]),
        ("/.gatewright-x: { respond: {}", []),
        ("/a: { methods: [GET, HEAD, OPTIONS], respond: {}", []),
        ("/a: { methods: [DELETE], respond: {}", ["method-never-answered"]),
        ("/a: { methods: [OPTIONS, HEAD], respond: {}", ["head-without-get"]),
        ("/a: { methods: [HEAD, GET], respond: {}", []),
        ('/a: { methods: [DELETE], backend: "http://b:1"', []),
        ("/a: { respond: { status: 199 }", ["respond-status"]),
        ("/a: { respond: { status: 599 }", []),
        ("/a: { respond: { status: 600 }", ["respond-status"]),
        ("/a: { respond: { status: 204 }", []),
        ("/a: { respond: { status: 304, json: {} }", ["respond-without-body"]),
        ("/a/: { files: site", ["files-unusable"]),
        ("/a/: { files: folder", []),
        ("/a: { files: folder", ["files-kind"]),
        ("/a/: { files: file", ["files-kind"]),
        ("/a: { files: file", []),
        ("/a/: { files: Keys", ["files-private", "files-unusable"]),
        ("/a/: { files: run/x", ["files-private", "files-unusable"]),
        ("/a/: { files: clients/erp", ["files-private", "files-unusable"]),
        ("/a/: { files: certs/crl", ["files-unusable"]),
        ("/a/: { files: certs/ca", ["files-unusable"]),
        ("/a/: { files: certs", ["files-private", "files-unusable"]),
        ("/a/: { files: certs/server/own-1", ["files-private", "files-unusable"]),
        ("/a/: { files: enrolled/globex", ["files-private", "files-unusable"]),
        ("/a/: { files: running", ["files-unusable"]),
    ],
)
def test_each_rule_and_its_contrary(route: str, expected: list[str]) -> None:
    """Each rule refuses what it is for and leaves its nearest harmless neighbour alone."""
    assert codes(f"{route}, access: any-client }}", folder=PathKind.FOLDER, file=PathKind.FILE) == expected


def test_every_rule_is_documented_and_shown() -> None:
    """Every rule says why it exists, has a kebab-case code, and refuses something in a golden case or a test here."""
    shown = {
        line.rsplit("[", 1)[1].rstrip("]")
        for case in CASES
        for line in (case / "error.txt").read_text(encoding="utf-8").splitlines()
        if line.endswith("]") and not line.startswith(" ")
    }
    elsewhere = {
        "anchor-expires-soon",
        "anchor-private-key",
        "backend-ca-unusable",
        "certificate-dates",
        "certificate-names",
        "files-open-elsewhere",
        "key-file-open",
        "key-unusable",
        "backend-certificate-dates",
        "backend-certificate-not-managed",
        "backend-key-open",
        "no-routes",
        "unused-client",
    }
    for code, function in RULES.items():
        assert function.__doc__
        assert code == code.lower().replace("_", "-")
        assert code in shown | elsewhere, code


def test_no_routes_is_a_warning() -> None:
    """A gateway that serves nothing yet is allowed, and told so."""
    found = {d.code: d.severity for d in check(declared("", "clients: {}\n"), Facts(NOW))}
    assert found["no-routes"] is Severity.WARNING


@pytest.mark.parametrize(
    ("routes", "told"),
    [
        ("  /a/: { files: site, access: public }\n  /b/: { files: site/b, access: any-client }\n", True),
        ("  /a/: { files: site, access: public }\n  /b: { files: site/x/b, access: any-client }\n", True),
        ("  /a/: { files: site/b, access: public }\n  /b/: { files: site/b, access: any-client }\n", True),
        ("  /: { files: site, access: public }\n  /b/: { files: site/b, access: any-client }\n", False),
        ("  /: { files: site, access: public }\n  /b: { files: site/b, access: any-client }\n", False),
        ("  /a/: { files: site, access: public }\n  /b/: { files: site2/b, access: any-client }\n", False),
        ("  /a/: { files: site/a, access: public }\n  /b/: { files: site, access: any-client }\n", False),
        ("  /a/: { files: site, access: any-client }\n  /b/: { files: site/b, access: any-client }\n", False),
        ("  /a/: { files: site, access: public }\n  /b/: { files: site/b, access: any-client }\n"
         "  /a/b/: { respond: {}, access: any-client }\n", False),
    ],
)  # fmt: skip
def test_a_file_that_is_public_by_another_way_is_told(routes: str, told: bool) -> None:
    """A warning where the very file of a protected route is open under another address, and only there."""
    found = check(load(HEAD + "routes:\n" + routes, "gateway.yaml"), Facts(NOW))
    assert any(d.code == "files-open-elsewhere" and d.severity is Severity.WARNING for d in found) == told


def test_a_missing_ca_of_a_backend_is_refused() -> None:
    """A backend's CA file must be there."""
    assert codes('/: { backend: { url: "https://b.example.org", ca: ca.pem }, access: any-client }') == [
        "backend-ca-unusable"
    ]


def test_ten_thousand_wrong_names_stay_fast() -> None:
    """Suggestions do not make a large wrong file quadratic: well under the budget of 8 s for 10,000 routes, or linear where a core is slow."""
    clients = "".join(f"  c{i}: {{ authority: home, san: c{i}.example.org }}\n" for i in range(2000))

    def cost(count: int) -> float:
        routes = "".join(f'  /r{i}/: {{ backend: "http://b:1", access: [d{i}] }}\n' for i in range(count))
        started = time.process_time()
        found = check(load(f"{HEAD}clients:\n{clients}routes:\n{routes}", "gateway.yaml"), Facts(NOW))
        assert sum(d.code == "unknown-client" for d in found) == count
        return time.process_time() - started

    quarter = cost(2_500)
    assert cost(10_000) < max(8.0, 8 * quarter)
