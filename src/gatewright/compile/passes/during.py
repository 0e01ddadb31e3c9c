"""When a route is open, by httpd's clock. Its ``TIME`` variables are local time, so httpd runs with ``TZ=UTC`` (see
:func:`gatewright.edges.httpd.our_environment`; measured on httpd 2.4.71).

Each of those variables reads the clock anew. The time of day is therefore taken from ``TIME`` alone, which holds all of it, and
the day is asked for before and after: no request at a boundary is judged by a moment that never was.
"""

from __future__ import annotations

from gatewright.compile.expr import AllOf, AnyOf, Condition, Matches, OneOf, Var
from gatewright.model.gateway import During
from gatewright.model.matchers import TimeOfDay, Weekday

_WEEK = tuple(Weekday)
_DATE = "^[0-9]{8}"
"""``TIME`` is ``YYYYMMDDhhmmss``."""

_NEVER = AnyOf(())


def during(window: During) -> Condition:
    """Whether the window is open. Over midnight it is two: the evening of its days, and the morning after each.

    One that closes at ``00:00`` has no morning: nothing of it may be left, for an expression without hours holds at every hour.
    """
    midnight, end_of_day = TimeOfDay(0), TimeOfDay(24 * 60)
    if not window.over_midnight:
        return _between(window.days, window.begin, window.end)
    after = tuple(_WEEK[(_WEEK.index(day) + 1) % 7] for day in window.days)
    parts = (_between(window.days, window.begin, end_of_day), _between(after, midnight, window.end))
    some = tuple(part for part in parts if part != _NEVER)
    return some[0] if len(some) == 1 else AnyOf(some)


def _between(days: tuple[Weekday, ...], begin: TimeOfDay, end: TimeOfDay) -> Condition:
    if begin >= end:
        return _NEVER
    time: Condition = Matches(Var("TIME"), f"{_DATE}({'|'.join(_hours(begin.minutes, end.minutes))})")
    if not days:
        return time
    # TIME_WDAY counts from Sunday, which is 0 (struct tm, ISO C).
    day = OneOf(Var("TIME_WDAY"), tuple(str((_WEEK.index(d) + 1) % 7) for d in sorted(days, key=_WEEK.index)))
    return day if (begin.minutes, end.minutes) == (0, 24 * 60) else AllOf((day, time, day))


def _hours(begin: int, end: int) -> list[str]:
    """Every hour from ``begin`` to before ``end`` (minutes of the day), with its minutes where not all of them count."""
    found = []
    for hour in range(24):
        minutes = [m for m in range(60) if begin <= hour * 60 + m < end]
        if minutes:
            some = "" if len(minutes) == 60 else f"({'|'.join(f'{m:02d}' for m in minutes)})"
            found.append(f"{hour:02d}{some}")
    return found
