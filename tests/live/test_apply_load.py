"""Changes under load: not one request fails for clients that repeat an idempotent request once (RFC 9110 §9.2.2)."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from dataclasses import dataclass, field

import pytest

from tests.live.gate import Gate, running_gateway

pytestmark = [pytest.mark.live, pytest.mark.slow]

APPLIES = 10
PAUSE_S = 0.005
"""Between two requests of one client, so that two cores have room for the changes too."""


@dataclass
class Load:
    """Clients that ask without a pause, each request judged."""

    gate: Gate
    stop: threading.Event = field(default_factory=threading.Event)
    seen: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def connection(self, *, client: bool) -> http.client.HTTPSConnection:
        """A new connection, not opened yet."""
        context = self.contexts[client]
        return http.client.HTTPSConnection("localhost", self.gate.port, timeout=60, context=context)

    def __post_init__(self) -> None:
        """TLS set up once: what is measured is the gateway."""
        self.contexts = {client: self.gate.context(client=client) for client in (False, True)}

    def _ask(self, connection: http.client.HTTPSConnection, path: str, expected: int) -> bool:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.status != expected:
            self.failures.append(f"{path}: {answer.status} instead of {expected}")
        return answer.getheader("Connection") != "close"

    def new_connections(self, path: str, expected: int, *, client: bool) -> None:
        """A connection for each request."""
        while not self.stop.wait(PAUSE_S):
            self._once(path, expected, client=client, keep=False)

    def kept_alive(self, path: str, expected: int, *, client: bool) -> None:
        """One connection for as long as the gateway keeps it."""
        connection = None
        while not self.stop.wait(PAUSE_S):
            connection = self._once(path, expected, client=client, keep=True, kept=connection)
        if connection is not None:
            connection.close()

    def _once(
        self, path: str, expected: int, *, client: bool, keep: bool, kept: http.client.HTTPSConnection | None = None
    ) -> http.client.HTTPSConnection | None:
        """One request, repeated once on a new connection where the first try got no answer."""
        kind = "kept" if kept is not None else "new"
        for attempt in (1, 2):
            connection = kept if kept is not None and attempt == 1 else self.connection(client=client)
            try:
                goes_on = self._ask(connection, path, expected)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.seen[f"{kind}: repeated"] += 1
                if attempt == 2:
                    self.failures.append(f"{path}: {error!r}")
                continue
            self.seen[kind] += 1
            if goes_on and keep:
                return connection
            connection.close()
            return None
        return None


def test_no_request_fails_over_ten_applies() -> None:
    """New and kept-alive connections, with and without certificate, over ten changes: no failure after one repetition."""
    with running_gateway() as gate:
        load = Load(gate)
        plans = [
            ("new open", load.new_connections, "/health", 200, False),
            ("new shut", load.new_connections, "/private/", 403, False),
            ("kept open", load.kept_alive, "/health", 200, False),
            ("kept client", load.kept_alive, "/private/", 200, True),
        ]
        threads = [
            threading.Thread(target=how, args=(path, expected), kwargs={"client": client}, name=name)
            for name, how, path, expected, client in plans
        ]
        for thread in threads:
            thread.start()
        try:
            for number in range(APPLIES):
                gate.mark(10 + number)
                done = gate.run("apply")
                assert done.returncode == 0, done.stderr
        finally:
            load.stop.set()
            for thread in threads:
                thread.join()
        assert gate.marked() == 10 + APPLIES - 1
        assert load.failures == []
        assert load.seen["new"] > 100
        assert load.seen["kept"] > 100
        print(dict(load.seen))
