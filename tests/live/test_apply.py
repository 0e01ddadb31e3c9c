"""plan, apply, the way back, and what status says of drift, on a gateway that runs and on one that does not."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gatewright.wiring import places_of
from tests.live.gate import Gate, gateway, running_gateway
from tests.ports import free_port

pytestmark = [pytest.mark.live, pytest.mark.slow]


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    """One running gateway for this module; each test leaves it serving."""
    with running_gateway() as running:
        yield running


def test_nothing_to_apply(gate: Gate) -> None:
    """Right after up there is nothing to do, and nothing is done."""
    before = gate.current
    assert gate.run("plan").returncode == 0
    assert gate.json("plan")["changes"] == []
    report = gate.json("apply")
    assert (report["outcome"], gate.current, gate.codes("status")) == ("unchanged", before, [])


def test_a_harmless_change_is_applied_and_proved(gate: Gate) -> None:
    """Plan says so and exits 0; apply brings it into force; status, the port and the folder agree."""
    before = gate.current
    gate.mark(100)
    assert gate.codes("status") == ["not-applied"]
    plan = gate.run("plan")
    assert plan.returncode == 0, plan.stdout
    report = gate.json("apply")
    assert report["outcome"] == "applied", report
    assert report["probes"] > 4
    assert (report["before"], report["generation"], gate.current) == (before, before + 1, before + 1)
    assert gate.marked() == 100
    gate.doors_are_shut()
    status = gate.json("status")
    assert (status["generation"], status["problems"]) == (before + 1, [])
    assert not gate.pending


def test_what_needs_a_yes_waits_for_it(gate: Gate) -> None:
    """A route that opens to everybody: plan exits 1 and names who gains, apply leaves all as it was until --yes."""
    before, text = gate.current, gate.policy
    gate.policy = text.replace("access: [demo-client]", "access: public")
    plan = gate.run("plan")
    assert plan.returncode == 1
    assert "gains access: everybody" in plan.stdout
    refused = gate.run("apply")
    assert refused.returncode == 1
    assert "gatewright apply --yes" in refused.stdout
    assert gate.current == before
    gate.doors_are_shut()
    assert gate.run("apply", "--yes").returncode == 0
    assert gate.get("/private/")[0] == 200
    gate.policy = text
    assert gate.run("apply").returncode == 0
    gate.doors_are_shut()


def test_a_comment_is_no_change(gate: Gate) -> None:
    """Another text for the same policy: status is content, apply takes note and reloads nothing."""
    before = gate.current
    gate.policy += "# a remark\n"
    assert gate.codes("status") == []
    assert gate.json("apply")["outcome"] == "unchanged"
    assert gate.current == before
    assert gate.codes("status") == []


def test_a_broken_file_touches_nothing(gate: Gate) -> None:
    """A file that breaks between plan and apply: exit code 2, the place in the file, and the gateway goes on."""
    before, text = gate.current, gate.policy
    gate.mark(200)
    assert gate.run("plan").returncode == 0
    good = gate.policy
    gate.policy = good.replace("access: public", "acess: public")
    done = gate.run("apply")
    assert done.returncode == 2
    assert "acess" in done.stderr
    assert gate.run("plan").returncode == 2
    assert gate.codes("status") == ["not-applied"]
    assert (gate.current, gate.marked()) == (before, int(json.loads(gate.get("/health")[1])["generation"]))
    gate.policy = text
    assert gate.codes("status") == []


def test_back_by_hand(gate: Gate) -> None:
    """--back brings the generation before, proved; the gateway file stays, and status says that it waits."""
    gate.mark(300)
    assert gate.run("apply").returncode == 0
    gate.mark(301)
    assert gate.run("apply").returncode == 0
    newest = gate.current
    report = gate.json("apply", "--back")
    assert (report["outcome"], report["generation"]) == ("applied", newest - 1)
    assert gate.marked() == 300
    gate.doors_are_shut()
    assert gate.codes("status") == ["not-applied"]
    assert gate.json("apply")["outcome"] == "applied"
    assert gate.marked() == 301
    assert gate.current == newest + 1


def test_up_on_a_running_gateway_says_what_waits(gate: Gate) -> None:
    """Up changes nothing where it runs, says that the gateway file was changed, and names the command."""
    text, before = gate.policy, gate.current
    gate.mark(400)
    done = gate.run("up", "--detach")
    assert done.returncode == 0
    assert "not applied yet" in done.stderr
    assert "gatewright apply" in done.stderr
    assert gate.current == before
    gate.policy = text
    assert "not applied" not in gate.run("up", "--detach").stderr


def test_files_changed_by_hand_are_told_and_written_anew(gate: Gate) -> None:
    """Each file of the current generation: changed, added or removed, status names it; apply makes it right again."""
    generation = gate.folder / "generations" / "current"
    with (generation / "httpd.conf").open("a") as file:
        file.write("# by hand\n")
    page = _page(gate)
    page.unlink()
    status = gate.json("status")
    (problem,) = status["problems"]
    assert problem["code"] == "generation-changed-by-hand"
    assert "httpd.conf" in problem["what"]
    assert page.name in problem["what"]
    assert gate.run("status").returncode == 1
    assert gate.json("apply")["outcome"] == "applied"
    assert gate.codes("status") == []


def _page(gate: Gate) -> Path:
    """One of the current generation's pages."""
    layout = places_of(gate.folder).layout(gate.current)
    return min(Path(layout.pages).iterdir())


def test_a_certificate_that_is_not_the_one_served(gate: Gate) -> None:
    """The file on disk replaced: status says so, and apply puts the right one back."""
    chain = gate.folder / "certs" / "server" / "chain.pem"
    good = chain.resolve().read_bytes()
    chain.resolve().write_bytes((gate.folder / "certs" / "ca" / "home-root.pem").read_bytes())
    assert gate.codes("status") == ["certificate-file-changed"]
    assert gate.run("apply").returncode == 0
    assert chain.resolve().read_bytes() == good
    assert gate.codes("status") == []


def test_a_link_moved_by_hand(gate: Gate) -> None:
    """Current pointed elsewhere by hand: status says what runs, apply has the declared generation taken and proved."""
    gate.mark(500)
    assert gate.run("apply").returncode == 0
    link = gate.folder / "generations" / "current"
    number = gate.current
    link.unlink()
    link.symlink_to(f"{number - 1:04d}")
    assert "other-generation-runs" in gate.codes("status")
    assert gate.run("apply").returncode == 0
    assert gate.codes("status") == []
    assert gate.marked() == 500


def test_a_new_host_gets_a_new_certificate_without_a_pause(gate: Gate) -> None:
    """A name added: plan tells that the certificate is issued, apply serves it."""
    gate.policy = gate.policy.replace("gateway: localhost", "gateway: [localhost, other.localhost]")
    plan = gate.json("plan")
    assert {"hosts", "certificate"} <= {change["kind"] for change in plan["changes"]}
    assert gate.run("apply").returncode == 0
    assert gate.codes("status") == []
    assert gate.marked() == 500


def test_a_port_that_is_taken_ends_nothing(gate: Gate) -> None:
    """A new port that another program holds: exit code 3, the holder's port is named, the old one goes on."""
    text = gate.policy
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        gate.policy = text.replace(f"listen: {gate.port}", f"listen: {port}")
        done = gate.run("apply", "--yes")
    assert done.returncode == 3
    assert f"port {port} is in use" in done.stderr
    gate.doors_are_shut()
    gate.policy = text.replace(f"listen: {gate.port}", f"listen: 127.0.0.1:{gate.port}")
    assert "[listen-needs-restart]" in gate.run("apply", "--yes").stderr
    gate.doors_are_shut()
    gate.policy = text
    assert gate.codes("status") == []


def test_a_new_port_that_is_free(gate: Gate) -> None:
    """The running gateway moves to another port."""
    text, old = gate.policy, gate.port
    gate.port = free_port()
    gate.policy = text.replace(f"listen: {old}", f"listen: {gate.port}")
    assert gate.run("apply", "--yes").returncode == 0
    gate.doors_are_shut()
    assert gate.json("status")["port"] == gate.port


def test_applied_where_none_runs() -> None:
    """Without a running gateway the generation is proved by a shadow instance, and the next up starts exactly that."""
    with gateway() as gate:
        assert gate.run("plan").returncode == 1
        assert gate.run("apply").returncode == 1
        assert not (gate.folder / "generations" / "current").exists()
        report = gate.json("apply", "--yes")
        assert (report["outcome"], report["running"], report["generation"]) == ("applied", False, 1)
        assert gate.run("up", "--detach").returncode == 0
        assert gate.current == 1
        gate.doors_are_shut()
        gate.run("down")
        gate.mark(2)
        report = gate.json("apply")
        assert (report["outcome"], gate.current) == ("applied", 2)
        report = gate.json("apply", "--back")
        assert (report["outcome"], gate.current) == ("applied", 1)


def test_there_is_nothing_before_the_first() -> None:
    """--back on a first generation: exit code 1, and a sentence."""
    with gateway() as gate:
        assert gate.run("apply", "--yes").returncode == 0
        done = gate.run("apply", "--back")
        assert done.returncode == 1
        assert "[nothing-to-go-back-to]" in done.stderr


def test_no_gateway_at_all() -> None:
    """In a folder without a gateway file, plan and apply exit with 2 and write nothing."""
    with gateway() as gate:
        (gate.folder / "gateway.yaml").unlink()
        assert gate.run("plan").returncode == 2
        assert gate.run("apply").returncode == 2
        assert not list(gate.folder.iterdir())


def test_two_at_once() -> None:
    """While one apply is under way another is refused with exit code 3, and so is up."""
    with gateway() as gate:
        codes: list[int] = []

        def meanwhile(_process: object) -> None:
            codes.append(gate.run("apply", "--yes").returncode)
            codes.append(gate.run("up", "--detach").returncode)

        code, _ = gate.apply_until("prove-shadow", meanwhile, "--yes")
        assert (code, codes) == (0, [3, 3])
