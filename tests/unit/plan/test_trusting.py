"""What a store is, what a change of it does, and how it is undone: values."""

from __future__ import annotations

import pytest

from gatewright.plan.trusting import (
    Place,
    RemoveFile,
    Root,
    RunTool,
    Seen,
    Standing,
    Store,
    WriteFile,
    dangers,
    entry_name,
    holds_ours,
    install,
    standing,
    system_store,
    undo,
)

SHA = "0123456789abcdef" * 4
ROOT = Root(SHA, "/gw/certs/ca/home-root.pem", b"PEM", "CN=root", ("localhost",))
SYSTEM = Place(Store.SYSTEM, "/anchors", "the system's store", "/bundle", ("refresh", "it"))
NSS = Place(Store.NSS, "/home/me/.pki/nssdb", "Chromium")
JAVA = Place(Store.JAVA, "/jdk/lib/security/cacerts", "Java")
NAME = "gatewright-0123456789abcdef0123"


def test_what_goes_in_is_named_after_its_hash_and_comes_out_by_that_name() -> None:
    """In each kind of store, undoing names the very entry that installing made."""
    assert entry_name(SHA) == NAME
    assert install(SYSTEM, ROOT) == (WriteFile(f"/anchors/{NAME}.crt", b"PEM"), RunTool(("refresh", "it")))
    assert undo(SYSTEM, SHA) == (RemoveFile(f"/anchors/{NAME}.crt"), RunTool(("refresh", "it")))
    for place, program in ((NSS, "certutil"), (JAVA, "keytool")):
        (put,), (taken,) = install(place, ROOT), undo(place, SHA)
        assert isinstance(put, RunTool)
        assert isinstance(taken, RunTool)
        assert put.command[0] == taken.command[0] == program
        assert NAME in put.command
        assert NAME in taken.command
        assert any(place.path in word for word in put.command)
        assert any(place.path in word for word in taken.command)


def test_a_browser_is_to_trust_it_for_websites_only() -> None:
    """Not for mail, not for code, and not for client certificates."""
    (put,) = install(NSS, ROOT)
    assert isinstance(put, RunTool)
    assert put.command[put.command.index("-t") + 1] == "C,,"


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ((), Standing.ABSENT),
        ((Seen("x", "ff", trusted=True),), Standing.ABSENT),
        ((Seen(NAME, "ff", trusted=True),), Standing.ABSENT),
        ((Seen("x", SHA, trusted=False),), Standing.PRESENT),
        ((Seen("x", SHA, trusted=False), Seen("bundle", SHA, trusted=True)), Standing.TRUSTED),
    ],
)
def test_the_hash_decides_not_the_name(seen: tuple[Seen, ...], expected: Standing) -> None:
    """An entry with our name and another certificate is not the root; one with another name is."""
    assert standing(NSS, seen, SHA) is expected


def test_only_an_entry_with_our_name_and_the_hash_is_ours() -> None:
    """Neither alone will do."""
    assert holds_ours((Seen(NAME, SHA, trusted=True),), SHA)
    assert not holds_ours((Seen("x", SHA, trusted=True), Seen(NAME, "ff", trusted=True)), SHA)


@pytest.mark.parametrize(
    ("release", "folder"),
    [
        ("ID=debian\n", "/usr/local/share/ca-certificates"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "/usr/local/share/ca-certificates"),
        ("ID=alpine\n", "/usr/local/share/ca-certificates"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "/etc/pki/ca-trust/source/anchors"),
        ("ID=plan9\n", None),
        ("", None),
    ],
)
def test_each_family_of_systems_keeps_roots_in_its_own_way(release: str, folder: str | None) -> None:
    """By os-release(5); an unknown system has no store that could be changed."""
    found = system_store(release)
    assert (found and found.folder) == folder


def test_what_cannot_be_run_here_is_a_command_to_type() -> None:
    """On macOS the system's keychain asks its owner."""
    keychain = Place(Store.SYSTEM, "/k", "the keychain", manual=True)
    assert standing(keychain, (), SHA) is Standing.UNKNOWN
    (put,), (taken,) = install(keychain, ROOT), undo(keychain, SHA)
    assert str(put).startswith("run sudo security add-trusted-cert")
    assert SHA.upper() in str(taken)


def test_dangers_are_said_where_they_are() -> None:
    """A root for every name, Java, and a system that carries its roots into Java's store; else nothing."""
    anything = Root(SHA, "p", b"", "CN=r", None)
    assert dangers(ROOT, [SYSTEM, NSS], java_hook=False) == ()
    assert "EVERY name" in dangers(anything, [NSS], java_hook=False)[0]
    (java,) = dangers(ROOT, [JAVA], java_hook=False)
    assert "not the root itself" in java
    assert len(dangers(ROOT, [SYSTEM], java_hook=True)) == 2
    assert dangers(ROOT, [NSS], java_hook=True) == ()
