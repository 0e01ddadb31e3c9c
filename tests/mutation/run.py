"""All mutants, or some, on two workers: their fates, the score, and who survived without an argument."""

from __future__ import annotations

import fnmatch
import hashlib
import multiprocessing
import signal
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from tests.mutation.arena import Arena, Fate, Result, arena
from tests.mutation.gateways import GATEWAYS, LIMITED
from tests.mutation.operators import Mutant

SEED = 4
WORKERS = 2
_FILE = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True)
class Argument:
    """Why mutants whose id matches ``match`` (``*`` stands for anything) may survive."""

    match: str
    why: str

    def covers(self, mutant: str) -> bool:
        """Whether it is about that mutant."""
        return fnmatch.fnmatchcase(mutant, self.match.replace("[", "[[]"))


def arguments() -> tuple[Argument, ...]:
    """The file of survivors."""
    return tuple(Argument(**entry) for entry in tomllib.loads(_FILE.read_text())["survivor"])


def argued(mutant: str, given: Iterable[Argument]) -> Argument | None:
    """The argument for a mutant, if there is one."""
    return next((argument for argument in given if argument.covers(mutant)), None)


def listed(arenas: Iterable[Arena]) -> Iterator[tuple[str, Mutant]]:
    """Every mutant with its gateway's name. What stands outside the virtual hosts is changed in one gateway only."""
    seen: set[str] = set()
    for one in arenas:
        for mutant in one.mutants():
            change = mutant.id.removeprefix(one.name)
            known = change in seen and not change.startswith(("/host", "/every host"))
            if not known and any(word in mutant.id for word in LIMITED.get(one.name, ("",))):
                seen.add(change)
                yield one.name, mutant


def chosen(
    ids: Sequence[tuple[str, str, str]], sample: int, only: str, given: Sequence[Argument], skip: str = ""
) -> list[tuple[str, str]]:
    """(gateway, id) of those to run from (gateway, id, operator): all that hold ``only`` and do not hold ``skip``, or ``sample`` of them.

    A sample has each operator and none that is argued away. Who is in it depends on its own id alone, so that a mutant more
    or less elsewhere does not draw another sample.
    """
    fitting = [entry for entry in ids if only in entry[1] and not (skip and skip in entry[1])]
    if not sample:
        return [(gateway, mutant) for gateway, mutant, _ in fitting]
    fitting = [entry for entry in fitting if argued(entry[1], given) is None]
    fitting.sort(key=lambda entry: hashlib.sha256(f"{SEED} {entry[1]}".encode()).digest())
    first: dict[str, tuple[str, str, str]] = {}
    for entry in fitting:
        first.setdefault(entry[2], entry)
    picked = [*first.values(), *(e for e in fitting if e not in first.values())][:sample]
    return [(gateway, mutant) for gateway, mutant, _ in picked]


class _Worker:
    """The arenas and mutants of one process, made when first wanted."""

    def __init__(self) -> None:
        self.open = ExitStack()
        self.arenas: dict[str, Arena] = {}
        self.known: dict[str, dict[str, Mutant]] = {}

    def judge(self, gateway: str, wanted: str) -> Result:
        if gateway not in self.arenas:
            one = self.arenas[gateway] = self.open.enter_context(arena(gateway))
            self.known[gateway] = {m.id: m for m in (*one.mutants(), one.sound())}
        return self.arenas[gateway].judge(self.known[gateway][wanted])


def _work(share: Sequence[tuple[str, str]], results: multiprocessing.Queue[Result | None]) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that httpd is stopped and folders are removed
    worker = _Worker()
    try:
        with worker.open:
            for gateway, wanted in share:
                results.put(worker.judge(gateway, wanted))
    finally:
        results.put(None)


def catalogue() -> list[tuple[str, str, str]]:
    """(gateway, id, operator) of every mutant."""
    with ExitStack() as stack:
        arenas = [stack.enter_context(arena(name)) for name in GATEWAYS]
        return [(gateway, mutant.id, mutant.operator) for gateway, mutant in listed(arenas)]


def sound_ids() -> list[tuple[str, str]]:
    """The gateways as compiled: what finds fault with these finds fault with anything."""
    return [(name, f"{name}: as compiled") for name in GATEWAYS]


def run(wanted: Sequence[tuple[str, str]], given: Sequence[Argument], told: TextIO | None = None) -> list[Result]:
    """The fates of those mutants. Each line of progress goes to ``told``. Raises :class:`RuntimeError` when a worker fails."""
    spawning = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[Result | None] = spawning.Queue()
    shares = [wanted[number::WORKERS] for number in range(WORKERS)]
    workers = [spawning.Process(target=_work, args=(share, results)) for share in shares]
    for worker in workers:
        worker.start()
    found: list[Result] = []
    ended = 0
    try:
        while ended < WORKERS:
            result = results.get()
            if result is None:
                ended += 1
                continue
            if result.fate is Fate.SURVIVED and argued(result.id, given) is not None:
                result = replace(result, fate=Fate.ARGUED)
            found.append(result)
            if told is not None:
                mark = " (only by silence)" if result.shaky else ""
                print(
                    f"{len(found)}/{len(wanted)} {result.fate}{mark}: {result.id} [{result.seconds} s] {result.evidence}",
                    file=told,
                    flush=True,
                )
    finally:
        for worker in workers:
            if ended < WORKERS:
                worker.terminate()
            worker.join()
    if len(found) != len(wanted):
        raise RuntimeError(f"a worker failed: {len(wanted) - len(found)} mutants were not judged")
    return found


def table(results: Sequence[Result]) -> str:
    """Fates by operator, as a Markdown table, and the score: of those not argued away, how many were noticed."""
    counts = Counter((r.operator, r.fate) for r in results)
    operators = sorted({r.operator for r in results})
    lines = ["| operator | mutants | " + " | ".join(Fate) + " |", "|---" * (2 + len(Fate)) + "|"]
    for operator in (*operators, "all"):
        row = [sum(n for (o, f), n in counts.items() if operator in {o, "all"} and f is fate) for fate in Fate]
        lines.append(f"| {operator} | {sum(row)} | " + " | ".join(map(str, row)) + " |")
    fates = Counter(r.fate for r in results)
    of = len(results) - fates[Fate.ARGUED]
    noticed = of - fates[Fate.SURVIVED]
    lines += ["", f"score: {noticed} of {of} mutants that are not argued away ({100 * noticed / max(of, 1):.1f} %)"]
    return "\n".join(lines)
