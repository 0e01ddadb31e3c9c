"""A golden configuration is worth something only if httpd takes it: each of those gateway files really starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.live.conftest import Lab
from tests.live.httpd import HANDSHAKE_ENDED, curl, running
from tests.live.pki import authority
from tests.test_golden_compile import ACCEPTED

pytestmark = pytest.mark.live


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_httpd_starts_with_it_and_denies_what_is_not_declared(case: Path, lab: Lab, tmp_path: Path) -> None:
    """Httpd starts, answers, and an unknown name gets nothing."""
    text = re.sub(r"(?m)^listen: .*", "listen: 0", (case / "gateway.yaml").read_text(encoding="utf-8"))
    text = re.sub(
        r'backend: ("https://[^"]+")', r"backend: { url: \1, ca: ca.pem }", text
    )  # whatever CAs this machine has
    text = re.sub(r'(url: "https://[^"]+"), client_certificate', r"\1, ca: ca.pem, client_certificate", text)
    for name in re.findall(r'ca: "?([^",}]+\.pem)', text):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(lab.home.pem)
    authorities = {name: authority(name) for name in re.findall(r"(?m)^  ([a-z]+): +{ (?:managed|anchor)", text)}
    with running(text, tmp_path, authorities) as gate:
        gate.expect("AH01630")
        unknown = ("-k", "--resolve", f"other.example:{gate.port}:127.0.0.1")
        done = curl(gate, "/health", *unknown, host="other.example")
        # Where every route is protected, the handshake ends it.
        assert done.stdout.rsplit("\n", 1)[-1].split()[0] == ("403" if not done.returncode else "000")
        assert done.returncode in {0, *HANDSHAKE_ENDED}
