"""What ``gatewright up`` prints once the gateway answers: where it is, what ends when, and lines to paste."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from gatewright.app.reports import Example, ReadyInfo, worst_first
from gatewright.cli.render import render_days, render_table, visible


def render_ready(info: ReadyInfo, program: str = "gatewright") -> str:
    """The whole text. ``program`` is how the reader starts Gatewright, ready to be pasted."""
    return "\n".join(_lines(info, program)) + "\n"


def _lines(info: ReadyInfo, program: str) -> Iterator[str]:
    head = "The gateway answers at" if info.started else "The gateway runs already; nothing was changed. It answers at"
    yield f"{head} {info.url}"
    httpd = f"httpd {info.httpd_version}" if info.httpd_version else "httpd"
    yield f"folder {visible(info.folder)}, generation {info.generation}, {httpd} (process {info.pid})"
    certificates = render_table(
        ("CERTIFICATE", "FOR", "ENDS", ""),
        ((c.kind, c.name, f"{c.not_after:%Y-%m-%d}", render_days(c.days_left)) for c in worst_first(info.certificates)),
    )
    if certificates:
        yield ""
        yield from certificates.splitlines()
    if info.examples:
        yield ""
        yield "Requests to try; these lines work from any folder:"
        for example in info.examples:
            yield ""
            yield f"# {_explain(example)}"
            yield curl_line(info, example)
    if info.ca_file or info.client_p12:
        yield ""
    if info.client_p12 and info.client_p12_password_file:
        yield f"For a browser or Postman, import {visible(info.client_p12)}"
        yield f"Its password is in {visible(info.client_p12_password_file)}"
    if info.ca_file:
        yield f"To make this machine trust its root: {program} -C {shlex.quote(info.folder)} trust install"
    if info.signing_secrets:
        yield ""
        yield "Requests are signed. What the backends verify that with, each its own (docs/backends.md):"
        yield from map(visible, info.signing_secrets)
    yield ""
    stop = f"{program} -C {shlex.quote(info.folder)} down"
    yield f"Stop it with: {stop}" if info.detached or not info.started else "Stop it with Ctrl-C."


def curl_line(info: ReadyInfo, example: Example) -> str:
    """One command for a POSIX shell that makes the request and shows status and body. Silent about its progress."""
    words = ["curl", "-sS", "-i"]
    if info.ca_file:
        words += ["--cacert", info.ca_file]
    if example.with_certificate and info.client_certificate and info.client_key:
        words += ["--cert", info.client_certificate, "--key", info.client_key]
    return shlex.join([*words, info.url + example.path])


def _explain(example: Example) -> str:
    who = "with the client's certificate" if example.with_certificate else "without a certificate"
    answer = str(example.status) if example.status else "whatever stands behind it says"
    return f"{example.path} {who}: {visible(answer)}"
