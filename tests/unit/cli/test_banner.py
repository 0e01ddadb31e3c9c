"""The lines that ``up`` prints can be pasted into a shell as they stand."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime

from gatewright.app.reports import CertificateState, Example, ReadyInfo
from gatewright.cli.banner import curl_line, render_ready

INFO = ReadyInfo(
    url="https://localhost:8443",
    folder="/srv/my gateway",
    generation=3,
    pid=4711,
    httpd_version="2.4.71",
    certificates=(
        CertificateState("server", "localhost", "CN=localhost", datetime(2030, 3, 1, tzinfo=UTC), 89),
        CertificateState("client", "demo-client", "CN=demo-client", datetime(2030, 1, 1, tzinfo=UTC), 30),
    ),
    examples=(Example("/main.html", 200), Example("/p/it's", 403), Example("/p/it's", 200, with_certificate=True)),
    ca_file="/srv/my gateway/ca.pem",
    client_certificate="/srv/my gateway/c.pem",
    client_key="/srv/my gateway/c.key",
    client_p12="/srv/my gateway/c.p12",
    client_p12_password_file="/srv/my gateway/c.p12.password",
)


def test_the_whole_text() -> None:
    """Address, generation, certificates with the next to end first, requests, where the .p12 is, how to stop."""
    text = render_ready(INFO)
    assert text.startswith(
        "The gateway answers at https://localhost:8443\n"
        "folder /srv/my gateway, generation 3, httpd 2.4.71 (process 4711)\n"
    )
    assert text.index("demo-client  2030-01-01  30 days left") < text.index("localhost    2030-03-01  89 days left")
    assert "\n# /main.html without a certificate: 200\ncurl " in text
    assert "import /srv/my gateway/c.p12\n" in text
    assert "trust its root: gatewright -C '/srv/my gateway' trust install\n" in text
    assert text.endswith("Stop it with Ctrl-C.\n")


def test_a_line_is_one_command_however_the_folder_is_called() -> None:
    """A shell reads back exactly the arguments meant, blanks and quotes in paths included."""
    assert shlex.split(curl_line(INFO, INFO.examples[2])) == [
        *("curl", "-sS", "-i", "--cacert", "/srv/my gateway/ca.pem"),
        *("--cert", "/srv/my gateway/c.pem", "--key", "/srv/my gateway/c.key"),
        "https://localhost:8443/p/it's",
    ]
    assert "--cert" not in shlex.split(curl_line(INFO, INFO.examples[1]))


def test_a_gateway_with_certificates_of_its_own() -> None:
    """Without files of ours there is no --cacert, no .p12 and no table."""
    text = render_ready(
        ReadyInfo("https://api.example.org:443", "/g", 1, 7, examples=(Example("/x", None),), detached=True)
    )
    assert "curl -sS -i https://api.example.org:443/x\n" in text
    assert "p12" not in text
    assert "trust" not in text
    assert "CERTIFICATE" not in text
    assert text.endswith("Stop it with: gatewright -C /g down\n")


def test_a_second_start_says_so() -> None:
    """A gateway that was running before is told as such, with the command that stops it."""
    text = render_ready(ReadyInfo("https://localhost:8443", "/g g", 1, 7, started=False), "/opt/gw/gatewright")
    assert text.startswith("The gateway runs already; nothing was changed.")
    assert text.endswith("Stop it with: /opt/gw/gatewright -C '/g g' down\n")
