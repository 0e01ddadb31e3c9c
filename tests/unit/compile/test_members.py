"""Groups as folders: which files there are, and that httpd's conditions look for exactly those."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.test_golden_compile import inputs_of

from gatewright.compile.gateway import compile_gateway
from gatewright.compile.members import decisions, entries, issuer_folder, own_folder
from gatewright.model.gateway import Gateway
from gatewright.model.values import Name

CASE = inputs_of(Path(__file__).parents[2] / "golden" / "compile-groups")
SUBJECTS = {a.authority: (a.subject,) for a in CASE.anchors}


def with_members(*names: str) -> Gateway:
    gateway = CASE.gateway
    return replace(gateway, groups={**gateway.groups, Name("staff"): tuple(Name(n) for n in names)})


def test_a_member_is_a_file_below_its_issuer() -> None:
    """One file for each client that httpd can look up, in the folder of its issuing CA, or of the authority that is alone."""
    found = {str(path) for path in entries(CASE.gateway, SUBJECTS)}
    by_home, by_globex = (issuer_folder(SUBJECTS[name][0]) for name in ("home", "globex"))
    staff = {path for path in found if path.startswith("staff/")}
    assert {path.rpartition("-")[0] for path in staff} == {f"staff/{by_home}/dns"}
    partners = {path.rpartition("-")[0] for path in found if path.startswith("partners/")}
    assert partners == {
        f"partners/{by_globex}/email",
        f"partners/{by_globex}/serial",
        f"partners/{own_folder(Name('legacy'))}/dns",
    }
    assert sum(path.startswith("~") for path in found) == 33


def test_another_generation_of_the_issuer_is_another_folder() -> None:
    """While an authority has two issuing CAs its clients are members by either, and by no other."""
    twice = {**SUBJECTS, "home": ("CN=one", "CN=two")}
    folders = {path.parts[1] for path in entries(CASE.gateway, twice) if path.parts[0] == "staff"}
    assert folders == {issuer_folder("CN=one"), issuer_folder("CN=two")}
    assert not [p for p in entries(CASE.gateway, {**SUBJECTS, "home": ()}) if p.parts[0] == "staff"]


def test_one_member_more_changes_no_byte_of_the_configuration() -> None:
    """Only the files change; a member that httpd must compare one by one is the exception."""
    before = compile_gateway(CASE).files
    more = replace(CASE, gateway=with_members("alice", "c01", "old"))
    assert compile_gateway(more).files == before
    added = entries(more.gateway, SUBJECTS) - entries(CASE.gateway, SUBJECTS)
    assert {path.parts[1] for path in added} == {issuer_folder(SUBJECTS["home"][0]), own_folder(Name("legacy"))}
    assert compile_gateway(replace(CASE, gateway=with_members("alice", "erp"))).files != before


def test_a_group_is_looked_at_once_for_all_routes() -> None:
    """Routes with the same names share one decision, so that compiling does not grow with routes times members."""
    decide = decisions(CASE.gateway)
    one, other = (replace(route.access) for route in list(CASE.gateway.routes.values())[:1] * 2)
    assert one is not other
    assert decide(one) is decide(other)
    assert decisions(CASE.gateway) is decide
