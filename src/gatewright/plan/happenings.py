"""What reaches the supervisor (events), what it orders (commands) and what it tells (notices), as values.

Times are seconds of a clock that never goes back. A ``pid`` is that of httpd's parent process, which leads a process
group of its own.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gatewright.errors import Diagnostic


class Signal(enum.Enum):
    """The signals that are sent to httpd, and what httpd does with each (httpd manual, "Stopping and Restarting")."""

    STOP = "TERM"
    """End now: the parent ends its children, requests under way are cut."""
    DRAIN = "WINCH"
    """Take no more connections, finish the requests under way, then end."""
    KILL = "KILL"
    """End without a chance to tidy up; only ever sent to a whole group."""
    GRACEFUL = "USR1"
    """Read the configuration again; requests under way finish under the old one."""


# --- events -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """Begin: the first event."""

    at: float


@dataclass(frozen=True, slots=True)
class Spawned:
    """httpd's process exists; whether it can serve is not known yet."""

    at: float
    pid: int


@dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The process could not be made at all."""

    at: float
    problem: Diagnostic


@dataclass(frozen=True, slots=True)
class Line:
    """One raw line that httpd's parent wrote: to its error log or to its standard error."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Ready:
    """httpd's parent ``pid`` reported that it serves (AH00489 and its equals for other MPMs)."""

    at: float
    pid: int


@dataclass(frozen=True, slots=True)
class Exited:
    """httpd's parent has ended: by itself with ``code``, or by ``signal`` (its number)."""

    at: float
    pid: int
    code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class GroupGone:
    """Nothing of the process group ``pid`` runs any more, so its ports are free."""

    at: float
    pid: int


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""

    at: float


@dataclass(frozen=True, slots=True)
class StopRequested:
    """Somebody wants it to stop. A second one means: at once."""

    at: float


@dataclass(frozen=True, slots=True)
class ReloadRequested:
    """The configuration on disk has changed and is to be taken without dropping a request."""

    at: float


Event = Start | Spawned | SpawnFailed | Line | Ready | Exited | GroupGone | Tick | StopRequested | ReloadRequested


# --- commands ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start httpd; answered by :class:`Spawned` or :class:`SpawnFailed`."""


@dataclass(frozen=True, slots=True)
class SignalParent:
    """Send ``signal`` to httpd's parent."""

    pid: int
    signal: Signal


@dataclass(frozen=True, slots=True)
class ClearGroup:
    """Kill whatever is left of the group ``pid``; answered by :class:`GroupGone` when nothing of it runs.

    Without it a parent that was killed leaves children that keep the listening port (measured on httpd 2.4.71).
    """

    pid: int


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a :class:`Tick` at this time, or as soon after it as possible. A later ``WakeAt`` replaces an earlier one."""

    at: float


@dataclass(frozen=True, slots=True)
class Serving:
    """httpd serves: tell whoever waits for it. ``first`` is false after a restart."""

    pid: int
    first: bool


@dataclass(frozen=True, slots=True)
class Say:
    """Tell the operator."""

    notice: Notice


@dataclass(frozen=True, slots=True)
class Finish:
    """The end: nothing runs any more. ``code`` is Gatewright's exit code."""

    code: int
    problems: tuple[Diagnostic, ...] = ()


# --- notices ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Died:
    """httpd ended although nobody here asked it to. ``after`` is seconds since it was ready."""

    pid: int
    code: int | None
    signal: int | None
    after: float


@dataclass(frozen=True, slots=True)
class RestartingIn:
    """A restart follows after ``seconds`` (0: at once); ``death`` counts the recent deaths, ``most`` how many are borne."""

    seconds: float
    death: int
    most: int


@dataclass(frozen=True, slots=True)
class RestartFailed:
    """A restart did not come up; ``problems`` say why, and it is tried again."""

    problems: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Back:
    """httpd serves again, ``seconds`` after it died."""

    pid: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Stopping:
    """It is being stopped; ``at_once`` without waiting for anything."""

    at_once: bool


@dataclass(frozen=True, slots=True)
class StopOverdue:
    """httpd did not end within ``seconds`` and is killed."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Reloading:
    """The new configuration is being taken."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The new configuration is in force."""


@dataclass(frozen=True, slots=True)
class ReloadUnanswered:
    """httpd lives but did not confirm the new configuration within ``seconds``; ``problems`` is what it said."""

    seconds: float
    problems: tuple[Diagnostic, ...]


Notice = Died | RestartingIn | RestartFailed | Back | Stopping | StopOverdue | Reloading | Reloaded | ReloadUnanswered
Command = Spawn | SignalParent | ClearGroup | WakeAt | Serving | Say | Finish
