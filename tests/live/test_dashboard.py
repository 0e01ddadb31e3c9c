"""What compose.yaml watches a gateway with: its exporter's flags, its Prometheus configuration and every query of its dashboard, run for real."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.live.engine import ROOT
from tests.live.gate import Gate, running_gateway, until
from tests.live.test_proof_timer import weaken
from tests.ports import free_port

EXPORTER, PROMETHEUS = shutil.which("prometheus-node-exporter"), shutil.which("prometheus")
pytestmark = [
    pytest.mark.live,
    pytest.mark.slow,
    pytest.mark.skipif(not (EXPORTER and PROMETHEUS), reason="needs prometheus and prometheus-node-exporter"),
]
COMPOSE = ROOT / "container" / "compose"


@pytest.fixture
def gate() -> Iterator[Gate]:
    """A gateway that was proved and found as declared."""
    with running_gateway() as made:
        assert made.run("prove").returncode == 0
        yield made


@contextlib.contextmanager
def serving(*words: str) -> Iterator[None]:
    """A server for the time being."""
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)


@contextlib.contextmanager
def prometheus(gate: Gate, folder: Path) -> Iterator[str]:
    """Its address, with the exporter beside it; only names and the interval differ from what compose.yaml runs."""
    exporter, own = (f"127.0.0.1:{free_port()}" for _ in range(2))
    flags = YAML(typ="safe").load((ROOT / "compose.yaml").read_text())["services"]["exporter"]["command"]
    flags = [flag.replace("/gateway/run", str(gate.folder / "run")) for flag in flags]
    text = (COMPOSE / "prometheus.yaml").read_text()
    assert "exporter:9100" in text
    assert "15s" in text
    (folder / "prometheus.yml").write_text(text.replace("exporter:9100", exporter).replace("15s", "1s"))
    stored = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    with (
        serving(str(EXPORTER), *flags, f"--web.listen-address={exporter}"),
        serving(str(PROMETHEUS), *stored, f"--web.listen-address={own}"),
    ):
        yield f"http://{own}"


def panels() -> dict[str, str]:
    """The dashboard's queries by the title of their panel."""
    dashboard = json.loads((COMPOSE / "grafana" / "dashboards" / "gatewright.json").read_text())
    return {
        f"{panel['title']} {target['refId']}": target["expr"]
        for panel in dashboard["panels"]
        for target in panel["targets"]
    }


def asked(address: str, query: str) -> list[float]:
    """What Prometheus has for a query; nothing while it is starting."""
    with contextlib.suppress(OSError):
        with urllib.request.urlopen(f"{address}/api/v1/query?query={urllib.parse.quote(query)}", timeout=60) as answer:
            result: list[Any] = json.load(answer)["data"]["result"]
        return [float(one["value"][1]) for one in result]
    return []


def test_every_panel_shows_something_and_a_finding_is_seen(gate: Gate, tmp_path: Path) -> None:
    """Each query has a value; the first goes to 0 when a proof finds an open door, which is the twin of its being 1."""
    with prometheus(gate, tmp_path) as address:
        until(lambda: asked(address, "gatewright_proof_passed") == [1.0])
        # Some look at a span of time, for which one scrape is not enough.
        until(lambda: all(asked(address, query) for query in panels().values()))
        assert asked(address, "no_such_metric") == []
        told = {(c["kind"], c["name"]): c["not_after"] for c in gate.json("status")["certificates"]}
        query = 'gatewright_certificate_not_after_seconds{kind="server",name="localhost"}'
        assert asked(address, query) == [datetime.fromisoformat(told["server", "localhost"]).timestamp()]
        weaken(gate)
        assert gate.run("prove").returncode == 1
        until(lambda: asked(address, "gatewright_proof_passed") == [0.0])
        assert asked(address, "gatewright_proof_findings")[0] >= 1.0
