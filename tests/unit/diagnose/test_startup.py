"""Failed starts, from lines that httpd 2.4.71 really wrote."""

from __future__ import annotations

import pytest

from gatewright.diagnose.startup import Attempt, explain_start, gave_up, heals, port_obstacle, port_taken

LOG = "ts=2026-11-23 13:30:04.575722 lvl=ssl:emerg pid=8224 tid=140709941798784 msg="

RECORDED: dict[str, tuple[str, str, str]] = {
    "port taken": (
        "(98)Address already in use: AH00072: make_sock: could not bind to address [::]:21981\n"
        "(98)Address already in use: AH00072: make_sock: could not bind to address 0.0.0.0:21981\n"
        "no listening sockets available, shutting down\nAH00015: Unable to open logs",
        "port-taken",
        "port 21981 is in use",
    ),
    "port taken on macOS": (
        "(48)Address already in use: AH00072: make_sock: could not bind to address 127.0.0.1:21981",
        "port-taken",
        "port 127.0.0.1:21981 is in use",
    ),
    "privileged port": (
        "(13)Permission denied: AH00072: make_sock: could not bind to address [::]:81\n"
        "no listening sockets available, shutting down\nAH00015: Unable to open logs",
        "port-privileged",
        "no permission to listen on port 81",
    ),
    "address of another machine": (
        "(99)Cannot assign requested address: AH00072: make_sock: could not bind to address 192.0.2.77:81",
        "address-not-here",
        "this machine has no address 192.0.2.77",
    ),
    "no IPv6": (
        "(97)Address family not supported by protocol: AH00072: make_sock: could not bind to address [::1]:81",
        "address-family",
        "this machine cannot listen on [::1]:81",
    ),
    "bind fails otherwise": (
        "(5)Input/output error: AH00072: make_sock: could not bind to address [::1]:81",
        "listen-failed",
        "nothing can listen on [::1]:81: Input/output error",
    ),
    "missing key": (
        "AH00526: Syntax error on line 18 of /g/httpd.conf:\n"
        "SSLCertificateKeyFile: file '/g/s.key' does not exist or is empty",
        "config-refused",
        "httpd refuses /g/httpd.conf:18: SSLCertificateKeyFile: file '/g/s.key' does not exist or is empty",
    ),
    "runtime folder": (
        "apache2: Syntax error on line 6 of /g/httpd.conf: DefaultRuntimeDir must be a valid directory, absolute or relative to ServerRoot",
        "config-refused",
        "httpd refuses /g/httpd.conf:6: DefaultRuntimeDir must be a valid directory, absolute or relative to ServerRoot",
    ),
    "missing module": (
        "apache2: Syntax error on line 19 of /g/httpd.conf: Cannot load /usr/lib/apache2/modules/mod_foo.so into server: "
        "/usr/lib/apache2/modules/mod_foo.so: cannot open shared object file: No such file or directory",
        "httpd-module-missing",
        "httpd cannot load mod_foo",
    ),
    "no MPM": (
        "AH00534: apache2: Configuration error: No MPM loaded.",
        "config-refused",
        "httpd refuses the configuration: apache2: Configuration error: No MPM loaded.",
    ),
    "account": ("AH00543: apache2: bad user name nosuch", "account-unusable", "apache2: bad user name nosuch"),
    "log is a folder": (
        "(21)Is a directory: AH00091: apache2: could not open error log file /g/logs/error.log.\nAH00015: Unable to open logs",
        "log-unwritable",
        "httpd cannot write its log /g/logs/error.log: Is a directory",
    ),
    "no log folder": (
        "(2)No such file or directory: AH02291: Cannot access directory '/g/logs/' for main error log\n"
        "AH00014: Configuration check failed",
        "log-unwritable",
        "httpd cannot write its log /g/logs/",
    ),
    "read-only log": (
        "(30)Read-only file system: AH00649: could not open transfer log file /g/logs/access.log.",
        "log-unwritable",
        "/g/logs/access.log: Read-only file system",
    ),
    "pid file": (
        "ts=2026-11-23 13:31:10.087954 lvl=core:error pid=8779 tid=1 err=(13)Permission denied msg=AH00099: could not create /g/run/httpd.pid.CI2xDZ\n"
        "ts=2026-11-23 13:31:10.087976 lvl=core:error pid=8779 tid=1 msg=AH00100: apache2: could not log pid to file /g/run/httpd.pid",
        "run-unwritable",
        "/g/run/httpd.pid.CI2xDZ: Permission denied",
    ),
    "mutex": (
        "(13)Permission denied: AH00023: Couldn't create the ssl-cache mutex file /g/run/ssl-cache.1",
        "locks-failed",
        "Permission denied",
    ),
    "semaphores used up": (
        "(28)No space left on device: AH00023: Couldn't create the watchdog mutex",
        "disk-full",
        "Couldn't create the watchdog mutex",
    ),
    "disk full": (
        "(28)No space left on device: AH00091: apache2: could not open error log file /g/logs/error.log.",
        "disk-full",
        "no space left",
    ),
    "memory": (
        "(12)Cannot allocate memory: AH00004: Unable to create or access scoreboard",
        "no-memory",
        "out of memory",
    ),
    "files": (
        "(24)Too many open files: AH00091: apache2: could not open error log file /g/e.",
        "too-many-files",
        "open files",
    ),
    "garbage certificate": (
        f"{LOG}AH02562: Failed to configure certificate localhost:21981:0 (with chain), check /g/s.pem\n"
        f"{LOG}SSL Library Error: error:0480006C:PEM routines::no start line (Expecting: TRUSTED CERTIFICATE) -- Bad file contents\n"
        "AH00016: Configuration Failed",
        "server-certificate-bad",
        "the server certificate cannot be used (/g/s.pem)",
    ),
    "key of another certificate": (
        f"{LOG}AH02565: Certificate and private key localhost:21981:0 from /g/s.pem and /g/s.key do not match",
        "server-key-mismatch",
        "does not belong to its certificate (/g/s.pem)",
    ),
    "unreadable key": (
        f"{LOG}AH02579: Init: Private key not found\n{LOG}AH02312: Fatal error initialising mod_ssl, exiting.\n"
        "ts=2026-11-23 13:31:10.052546 lvl=ssl:emerg pid=8774 tid=1 vh=localhost msg=AH02564: Failed to configure encrypted (?) private key localhost:21983:0, check /g/s.key",
        "server-key-bad",
        "the server's private key cannot be read (/g/s.key)",
    ),
    "client CA": (
        f"{LOG}AH01895: Unable to configure verify locations for client authentication\n"
        f"{LOG}SSL Library Error: error:05800088:x509 certificate routines::no certificate or crl found",
        "client-ca-bad",
        "the file of trusted client authorities cannot be used",
    ),
    "names of CAs": (
        f"{LOG}AH02210: Failed to load SSLCACertificateFile: /g/anchors.pem\n"
        f"{LOG}AH01896: Unable to determine list of acceptable CA certificates for client authentication",
        "ca-names-bad",
        "(/g/anchors.pem)",
    ),
    "CRL": (
        f"{LOG}AH01901: Host localhost:21981: unable to configure X.509 CRL storage for certificate revocation",
        "crl-bad",
        "a certificate revocation list cannot be used",
    ),
    "ciphers": (f"{LOG}AH01898: Unable to configure permitted SSL ciphers", "ciphers-bad", "cipher suites"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_failures_are_named(name: str) -> None:
    """Each recorded failure gives its code, names the thing, and offers a remedy."""
    text, code, what = RECORDED[name]
    problem = explain_start(Attempt(text.splitlines(), 1, None))[0]
    assert (problem.code, what in problem.what, bool(problem.fix)) == (code, True, True), problem


def test_library_detail_is_kept() -> None:
    """OpenSSL's own line that follows says why, in its words."""
    problem = explain_start(Attempt(RECORDED["garbage certificate"][0].splitlines(), 1, None))[0]
    assert "error:0480006C" in problem.why


def test_several_causes_are_all_told_once() -> None:
    """Two addresses in use on one port are one problem; a bad account beside it is another."""
    lines = [*RECORDED["port taken"][0].splitlines(), RECORDED["account"][0]]
    assert [p.code for p in explain_start(Attempt(lines, 1, None))] == ["port-taken", "account-unusable"]


def test_prose_alone_decides_nothing() -> None:
    """The words of a known failure without its number stay unclassified, and are shown."""
    lines = ["could not bind to address 0.0.0.0:80", f"{LOG}AH09999: something new", "AH00016: Configuration Failed"]
    (problem,) = explain_start(Attempt(lines, 1, None))
    assert problem.code == "start-unclassified"
    assert "something new" in problem.why
    assert "Configuration Failed" not in problem.why


def test_silence_is_told_as_silence() -> None:
    """No line at all still gives a diagnostic; a signal and a time limit are told as such."""
    assert explain_start(Attempt([], 3, None))[0].why == "it said: nothing"
    assert explain_start(Attempt([], None, 11))[0].code == "start-killed"
    assert "crashed" in explain_start(Attempt([], None, 11))[0].why
    assert explain_start(Attempt([], None, None, timed_out=2.5))[0].what.endswith("within 2.5 s that it serves")


def test_only_what_time_can_heal_is_tried_again() -> None:
    """A taken port may become free; a bad certificate stays bad."""
    assert heals(port_taken("8443"))
    assert not heals(explain_start(Attempt(RECORDED["garbage certificate"][0].splitlines(), 1, None))[0])


def test_the_holder_of_a_port_is_named() -> None:
    """With the holder known, it is named; without, the command that finds it."""
    assert port_taken("8443", "nginx (pid 123)").what == "port 8443 is in use by nginx (pid 123)"
    assert "sport = :8443" in port_taken("127.0.0.1:8443").fix
    assert port_obstacle("8443", 98, "").code == "port-taken"


def test_giving_up_tells_the_last_words() -> None:
    """The number of deaths, the time, and what httpd said last."""
    problem = gave_up(8, 61.2, ["first", "last "])
    assert problem.what == "httpd died 8 times within 61 s and is not started again"
    assert problem.why.endswith("its last words: last")
