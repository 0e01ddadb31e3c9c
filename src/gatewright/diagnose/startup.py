"""Why httpd did not start, from what it wrote: by AH number and errno, never by prose where a number exists.

The numbers are httpd's own (``docs/log-message-tags`` in its source) and were reproduced on httpd 2.4.71 where a test
says so. What no rule knows becomes the diagnostic ``start-unclassified``, which shows httpd's own words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gatewright.diagnose.loglines import StartLine, parse_start_line
from gatewright.errors import Diagnostic

# errno values where Linux and macOS differ are given for both (errno(3) of each).
_IN_USE = {98, 48}
_NOT_HERE = {99, 49}
_NO_FAMILY = {97, 47}
_DENIED = {1, 13}
_FULL = {28, 122, 69}
_READ_ONLY = {30}
_NO_MEMORY = {12}
_TOO_MANY_FILES = {23, 24}

_TRANSIENT = {
    "port-taken",
    "disk-full",
    "no-memory",
    "too-many-files",
    "start-timeout",
    "start-unclassified",
    "start-killed",
    "apply-under-way",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One start that did not become ready.

    ``lines`` are the raw lines of httpd's standard error and error log, oldest first. It ended with exit ``code`` or by
    ``signal``; ``timed_out`` is set instead when it lived for that many seconds without reporting that it serves.
    """

    lines: Sequence[str]
    code: int | None
    signal: int | None
    timed_out: float | None = None


def explain_start(attempt: Attempt) -> tuple[Diagnostic, ...]:
    """The causes, the first one first, each once. Never empty."""
    parsed = [parse_start_line(line) for line in attempt.lines if line.strip()]
    found: dict[str, tuple[tuple[bool, bool], Diagnostic]] = {}
    for number, line in enumerate(parsed):
        diagnostic = _classify(line, parsed[number + 1 :])
        if diagnostic is None:
            continue
        # Of several lines about one cause, the one that has the system's reason or names a file says most.
        worth = (line.errno is not None, bool(_path_in(line.message)))
        if diagnostic.code not in found or worth > found[diagnostic.code][0]:
            found[diagnostic.code] = (worth, diagnostic)
    if found:
        return tuple(diagnostic for _, diagnostic in found.values())
    return (_unclassified(attempt, parsed),)


def heals(problem: Diagnostic) -> bool:
    """Whether the same start may succeed a little later with nothing changed by hand."""
    return problem.code in _TRANSIENT


def port_taken(address: str, holder: str = "") -> Diagnostic:
    """Another program listens on ``address`` (``8443`` or ``127.0.0.1:8443``); ``holder`` is e.g. ``nginx (pid 123)``."""
    who = f" by {holder}" if holder else ""
    port = address.rpartition(":")[2]
    look = (
        "stop that program"
        if holder
        else f"see who it is (`ss -ltnp 'sport = :{port}'` or `lsof -i :{port}`) and stop it"
    )
    return Diagnostic(
        "port-taken",
        f"port {address} is in use{who}",
        "only one program can listen on a port",
        f"{look}, or choose another port with `listen:` in gateway.yaml",
    )


def port_obstacle(address: str, errno: int, reason: str) -> Diagnostic:
    """Why nothing can listen on ``address``, from the errno of bind(2)."""
    if errno in _IN_USE:
        return port_taken(address)
    if errno in _DENIED:
        return Diagnostic(
            "port-privileged",
            f"no permission to listen on port {address}",
            "ports below 1024 are kept for root",
            "choose a port from 1024 up with `listen:` in gateway.yaml (8443 is usual), or start it as root: "
            "httpd then takes the port and drops its privileges",
        )
    if errno in _NOT_HERE:
        return Diagnostic(
            "address-not-here",
            f"this machine has no address {address.rpartition(':')[0]}",
            "httpd can only listen on an address of a network interface that is up",
            "correct `listen:` in gateway.yaml; `ip address` lists this machine's addresses",
        )
    if errno in _NO_FAMILY:
        return Diagnostic(
            "address-family",
            f"this machine cannot listen on {address}",
            "its kernel has no IPv6, or it is switched off",
            "write an IPv4 address in `listen:`",
        )
    return Diagnostic(
        "listen-failed", f"nothing can listen on {address}: {reason}", "", "correct `listen:` in gateway.yaml"
    )


def gave_up(deaths: int, seconds: float, lines: Sequence[str]) -> Diagnostic:
    """The end of patience: httpd served and died again and again."""
    last = "; its last words: " + lines[-1].strip() if lines else ""
    return Diagnostic(
        "restarts-exhausted",
        f"httpd died {deaths} times within {seconds:.0f} s and is not started again",
        f"something keeps killing it or it keeps crashing{last}",
        "look for the cause in logs/error.log and in the kernel's log (`dmesg | tail`: out of memory? segfault?), then start again",
    )


# --- rules ------------------------------------------------------------------------------------------------------------

Rule = Callable[[StartLine, Sequence[StartLine]], Diagnostic | None]


def _classify(line: StartLine, following: Sequence[StartLine]) -> Diagnostic | None:
    if line.errno in _FULL:
        return Diagnostic(
            "disk-full",
            f"httpd could not start: no space left ({line.message})",
            "httpd needs room for its logs, its pid file and its semaphores",
            "free space (`df -h`, `df -i`); if the disk has room, look at semaphores (`ipcs -s`) and remove stale ones",
        )
    if line.errno in _NO_MEMORY:
        return Diagnostic(
            "no-memory",
            f"httpd could not start: out of memory ({line.message})",
            "",
            "free memory or raise the memory limit",
        )
    if line.errno in _TOO_MANY_FILES:
        return Diagnostic(
            "too-many-files",
            f"httpd could not start: too many open files ({line.message})",
            "",
            "raise the limit: `ulimit -n 65536`",
        )
    rule = _RULES.get(line.number) or _unnumbered
    return rule(line, following)


def _bind(line: StartLine, _following: Sequence[StartLine]) -> Diagnostic | None:
    address = line.message.rpartition(" ")[2]
    host, _, port = address.rpartition(":")
    shown = port if host in {"[::]", "0.0.0.0"} else address  # noqa: S104 -- reading it, not binding to it
    return port_obstacle(shown, line.errno or 0, line.reason)


def _refused_line(line: StartLine, following: Sequence[StartLine]) -> Diagnostic | None:
    # "AH00526: Syntax error on line 19 of /x/httpd.conf:" and the reason on the next line.
    place = re.search(r"line (\d+) of (.+?):?$", line.message)
    reason = following[0].message if following else ""
    return _refusal(f"{place[2]}:{place[1]}" if place else line.message, reason)


def _refusal(where: str, reason: str) -> Diagnostic:
    return Diagnostic(
        "config-refused",
        f"httpd refuses {where}: {reason}",
        "Gatewright wrote that, so either a file it names is missing or this httpd differs from those it was tested with",
        "see whether the files named there exist; otherwise report it with that line and the output of `gatewright version`",
    )


def _log_file(line: StartLine, _following: Sequence[StartLine]) -> Diagnostic | None:
    return _unwritable("log-unwritable", "its log", line)


def _pid_file(line: StartLine, _following: Sequence[StartLine]) -> Diagnostic | None:
    return _unwritable("run-unwritable", "its pid file", line)


def _unwritable(code: str, what: str, line: StartLine) -> Diagnostic:
    path = _path_in(line.message)
    if line.errno in _READ_ONLY:
        fix = "use a folder on a writable disk (`-C DIR`)"
    elif line.errno in _DENIED:
        fix = (
            f'give the folder to the account that starts httpd: `chown -R "$(id -u)" {path.rpartition("/")[0] or path}`'
        )
    else:
        fix = f"look what stands at {path} (`ls -ld {path}`), move it away, and start again"
    return Diagnostic(
        code, f"httpd cannot write {what} {path}: {line.reason or line.message}", "it does not run without", fix
    )


def _locks(line: StartLine, _following: Sequence[StartLine]) -> Diagnostic | None:
    return Diagnostic(
        "locks-failed",
        f"httpd cannot make the locks or the memory its workers share: {line.reason or line.message}",
        "they need them to take turns",
        "look at the limits of this machine or container (`ipcs -l`), and whether the gateway's run folder is writable",
    )


def _account(line: StartLine, _following: Sequence[StartLine]) -> Diagnostic | None:
    return Diagnostic(
        "account-unusable",
        f"httpd cannot become its unprivileged account: {line.message}",
        "started by root, httpd hands its workers to an account without rights; the account is missing or a container forbids the change",
        "install httpd from the system's packages, which make the account; in a container, allow SETUID and SETGID or start it as a user",
    )


def _refused_whole(line: StartLine, _following: Sequence[StartLine]) -> Diagnostic | None:
    return _refusal("the configuration", line.message)


def _module_missing(module: str) -> Diagnostic:
    return Diagnostic(
        "httpd-module-missing",
        f"httpd cannot load {module}",
        "the configuration needs it",
        "install the complete httpd: `apt-get install apache2-bin`, `dnf install httpd mod_ssl mod_http2`, "
        "`apk add apache2 apache2-ssl apache2-http2 apache2-proxy`, or `brew install httpd`",
    )


def _tls(code: str, what: str, fix: str) -> Rule:
    def rule(line: StartLine, following: Sequence[StartLine]) -> Diagnostic:
        path = _path_in(line.message)
        named = f" ({path})" if path else ""
        detail = next((f.message for f in following[:2] if f.openssl is not None), "")
        return Diagnostic(
            code,
            f"{what}{named}",
            f"httpd does not start without it; OpenSSL says: {detail}" if detail else "httpd does not start without it",
            fix,
        )

    return rule


_SERVER_CERTIFICATE = _tls(
    "server-certificate-bad",
    "the server certificate cannot be used",
    "put a PEM certificate there, the gateway's own first and its intermediates after it; for a managed one run `gatewright up` again",
)
_SERVER_KEY = _tls(
    "server-key-bad",
    "the server's private key cannot be read",
    "put the unencrypted PEM key there, readable by the account that starts httpd (mode 0600)",
)
_KEY_MISMATCH = _tls(
    "server-key-mismatch",
    "the server's private key does not belong to its certificate",
    "put the key there that the certificate was issued for, or have a new certificate issued for this key",
)
_CLIENT_CA = _tls(
    "client-ca-bad",
    "the file of trusted client authorities cannot be used",
    "correct the `anchor` files named in gateway.yaml: PEM certificates",
)
_CA_NAMES = _tls(
    "ca-names-bad",
    "the list of authority names sent to clients cannot be made",
    "correct the `anchor` files named in gateway.yaml: plain PEM certificates",
)
_CRL = _tls("crl-bad", "a certificate revocation list cannot be used", "replace it by a PEM CRL of the authority")
_CIPHERS = _tls(
    "ciphers-bad",
    "OpenSSL accepts none of the cipher suites asked for",
    "update OpenSSL, or report it with `openssl version`",
)

_RULES: dict[int, Rule] = {
    72: _bind,
    526: _refused_line,
    534: _refused_whole,
    **dict.fromkeys((58, 91, 649, 2291), _log_file),
    **dict.fromkeys((99, 100), _pid_file),
    **dict.fromkeys((1, 2, 3, 4, 5, 21, 22, 23, 24), _locks),
    **dict.fromkeys((543, 544, 2155, 2156, 2157, 2162), _account),
    **dict.fromkeys((1903, 2561, 2562, 2572), _SERVER_CERTIFICATE),
    **dict.fromkeys((2564, 2573, 2574, 2578, 2579, 2580), _SERVER_KEY),
    2565: _KEY_MISMATCH,
    1895: _CLIENT_CA,
    **dict.fromkeys((1896, 2210, 2211), _CA_NAMES),
    1898: _CIPHERS,
    **dict.fromkeys((1899, 1901), _CRL),
}


def _unnumbered(line: StartLine, _following: Sequence[StartLine]) -> Diagnostic | None:
    """Two start failures carry no AH number in httpd 2.4.71; their fixed shape has to do."""
    loaded = re.search(r"Syntax error on line \d+ of .+?: Cannot load (\S+) into server", line.message)
    if line.number == 0 and loaded:
        return _module_missing(loaded[1].rpartition("/")[2].removesuffix(".so"))
    if line.number == 0 and (place := re.search(r"Syntax error on line (\d+) of (.+?): (.+)", line.message)):
        reason = StartLine(place[3])
        return _refused_line(StartLine(f"line {place[1]} of {place[2]}"), (reason,))
    return None


def _path_in(message: str) -> str:
    """The first absolute path in a message, without the full stop that ends the sentence."""
    found = re.search(r"'(/[^']*)'|(/[^\s,;]+)", message)
    return (found[1] or found[2]).rstrip(".:") if found else ""


def _unclassified(attempt: Attempt, parsed: Sequence[StartLine]) -> Diagnostic:
    words = [line.message for line in parsed if not line.is_chatter]
    said = " | ".join(words[-6:]) or "nothing"
    if attempt.timed_out is not None:
        return Diagnostic(
            "start-timeout",
            f"httpd did not report within {attempt.timed_out:g} s that it serves",
            f"it was alive but not ready; it said: {said}",
            "look at the machine's load and at logs/error.log, then start again",
        )
    if attempt.signal is not None:
        return Diagnostic(
            "start-killed",
            f"httpd was ended by signal {attempt.signal} while it started",
            f"{SIGNAL_WORDS.get(attempt.signal, 'somebody or the kernel ended it')}; it said: {said}",
            "look at the kernel's log (`dmesg | tail`), then start again",
        )
    return Diagnostic(
        "start-unclassified",
        f"httpd ended with exit code {attempt.code} while it started",
        f"it said: {said}",
        "read logs/error.log; if the cause is in the generated configuration, report it with these lines",
    )


SIGNAL_WORDS = {
    4: "it crashed on an illegal instruction",
    6: "it aborted after an internal error",
    7: "it crashed on a bad memory access",
    9: "the kernel's out-of-memory killer, or an administrator's `kill -9`",
    10: "it crashed on a bad memory access",
    11: "it crashed: a fault in httpd or in one of its modules",
    15: "somebody asked it to end",
}
"""What a deadly signal usually means (signal(7)); 7 and 10 are SIGBUS on Linux and macOS."""
