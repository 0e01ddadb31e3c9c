"""First contacts as a state machine: which certificates are looked at, what is remembered, and when an authority is too loud.

An authority may be hostile: it can issue any number of certificates and knock with each. It must not be able to keep the
supervisor busy, to fill the disk, or to push out another authority's clients; so everything is counted for each by itself.
Times are seconds of a clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Limits:
    """For each authority: how many looks in a ``window`` (seconds), how many refused ones are remembered, how many certificates

    are enrolled at a time, and how many refusals of a window are told one by one. A look takes about 15 ms of one core,
    so that one authority's flood costs at most a twentieth of it.
    """

    looks: int = 200
    window: float = 60.0
    refused: int = 2_000
    enrolled: int = 5_000
    told: int = 5


# --- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """httpd has seen a valid certificate of ``authority`` that it knows nothing of; ``digest`` is its SHA-1 in hex."""

    at: float
    authority: str
    digest: str


@dataclass(frozen=True, slots=True)
class Looked:
    """The certificate was looked at: it is a client's (``matches``) or not, and ``reason`` says why."""

    at: float
    authority: str
    digest: str
    matches: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Time:
    """Time has passed."""

    at: float


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Everything was looked at anew, because the policy changed or certificates expired: ``enrolled`` (authority: digests) is left.

    What was refused may be admitted now, so it is forgotten and will be looked at again.
    """

    enrolled: Mapping[str, frozenset[str]]


Event = Seen | Looked | Time | Reviewed


# --- commands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Look:
    """Look at this certificate; answered by :class:`Looked`."""

    authority: str
    digest: str


@dataclass(frozen=True, slots=True)
class Enrol:
    """Admit it from now on, then remember it."""

    authority: str
    digest: str


@dataclass(frozen=True, slots=True)
class Remember:
    """It was looked at: httpd need not report it again, and tells its holder no instead of later."""

    authority: str
    digest: str


@dataclass(frozen=True, slots=True)
class Forget:
    """The contrary."""

    authority: str
    digest: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """httpd must not report contacts of this authority (``quiet``), or may again."""

    authority: str
    quiet: bool


@dataclass(frozen=True, slots=True)
class Tell:
    """Tell the operator."""

    text: str


Command = Look | Enrol | Remember | Forget | Quiet | Tell


# --- state ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ledger:
    """What is known of one authority. ``refused`` begins with the oldest; ``until`` is set while it is quiet."""

    looks: tuple[float, ...] = ()
    refused: tuple[str, ...] = ()
    enrolled: frozenset[str] = frozenset()
    until: float | None = None
    told: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """Every authority's ledger."""

    limits: Limits = Limits()
    ledgers: Mapping[str, Ledger] = field(default_factory=dict)


Step = tuple[State, tuple[Command, ...]]


def step(state: State, event: Event) -> Step:
    """What follows from ``event``."""
    match event:
        case Seen():
            return _seen(state, event)
        case Looked():
            return _looked(state, event)
        case Time():
            return _time(state, event.at)
        case Reviewed():
            return _reviewed(state, event)


def _seen(state: State, event: Seen) -> Step:
    name, digest, limits = event.authority, event.digest, state.limits
    ledger = state.ledgers.get(name, Ledger())
    if digest in ledger.enrolled or digest in ledger.refused:
        return state, (Remember(name, digest),)
    if ledger.until is not None:
        return state, ()
    looks = _recent(ledger.looks, event.at, limits)
    if len(looks) < limits.looks:
        return _with(state, name, replace(ledger, looks=(*looks, event.at))), (Look(name, digest),)
    until = looks[0] + limits.window
    said = (
        f"Warning: more than {limits.looks} different certificates of {name} have come for the first time within "
        f"{limits.window:.0f} seconds; for the next {max(1.0, until - event.at):.0f} no new ones of that authority are looked at. "
        "Enrolled ones are served as ever."
    )
    return _with(state, name, replace(ledger, looks=looks, until=until)), (Quiet(name, quiet=True), Tell(said))


def _looked(state: State, event: Looked) -> Step:
    name, digest, limits = event.authority, event.digest, state.limits
    ledger = state.ledgers.get(name, Ledger())
    full = event.matches and len(ledger.enrolled) >= limits.enrolled
    if event.matches and not full:
        known = replace(ledger, enrolled=ledger.enrolled | {digest}, refused=_without(ledger.refused, digest))
        return _with(state, name, known), (
            Enrol(name, digest),
            Tell(f"Enrolled a certificate of {name}: {event.reason}."),
        )
    refused = (*_without(ledger.refused, digest), digest)
    gone, kept = refused[: -limits.refused], refused[-limits.refused :]
    told = _recent(ledger.told, event.at, limits)
    said: tuple[Command, ...] = ()
    if len(told) < limits.told:
        told = (*told, event.at)
        why = f"{limits.enrolled} are enrolled already, which is the most" if full else event.reason
        said = (Tell(f"A certificate of {name} came for the first time and is refused: {why}."),)
    forgotten = tuple(Forget(name, old) for old in gone)
    return _with(state, name, replace(ledger, refused=kept, told=told)), (Remember(name, digest), *forgotten, *said)


def _time(state: State, at: float) -> Step:
    over = [name for name, ledger in state.ledgers.items() if ledger.until is not None and at >= ledger.until]
    for name in over:
        state = _with(state, name, replace(state.ledgers[name], until=None))
    return state, tuple(Quiet(name, quiet=False) for name in over)


def _reviewed(state: State, event: Reviewed) -> Step:
    commands: list[Command] = []
    for name in dict.fromkeys((*state.ledgers, *event.enrolled)):
        ledger, left = state.ledgers.get(name, Ledger()), event.enrolled.get(name, frozenset())
        commands += [Forget(name, old) for old in (*ledger.refused, *sorted(ledger.enrolled - left))]
        commands += [Remember(name, new) for new in sorted(left - ledger.enrolled)]
        state = _with(state, name, replace(ledger, refused=(), enrolled=left))
    return state, tuple(commands)


def _recent(times: tuple[float, ...], at: float, limits: Limits) -> tuple[float, ...]:
    return tuple(t for t in times if at - t < limits.window)


def _without(digests: tuple[str, ...], digest: str) -> tuple[str, ...]:
    return tuple(d for d in digests if d != digest)


def _with(state: State, name: str, ledger: Ledger) -> State:
    return replace(state, ledgers={**state.ledgers, name: ledger})
