"""What httpd is told of a route's hours means what the gateway file says, at every minute of a week."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest

from gatewright.compile.expr import AllOf, AnyOf, Condition, Matches, OneOf, Var
from gatewright.compile.passes.during import during
from gatewright.model.gateway import During
from gatewright.model.matchers import TimeOfDay, Weekday

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)


def holds(condition: Condition, at: datetime) -> bool:
    """As httpd evaluates it: ``TIME`` is ``YYYYMMDDhhmmss``, ``TIME_WDAY`` counts from Sunday."""
    variables = {"TIME": f"{at:%Y%m%d%H%M%S}", "TIME_WDAY": f"{at:%w}"}
    match condition:
        case AllOf(parts):
            return all(holds(part, at) for part in parts)
        case AnyOf(parts):
            return any(holds(part, at) for part in parts)
        case OneOf(Var(name), texts):
            return variables[name] in texts
        case Matches(Var(name), regex):
            return re.search(regex, variables[name]) is not None
    raise AssertionError(condition)


@pytest.mark.parametrize("days", [(), (Weekday.MON,), (Weekday.SUN, Weekday.WED)], ids=len)
@pytest.mark.parametrize(
    ("begin", "end"),
    [("08:00", "18:00"), ("22:00", "00:00"), ("23:59", "00:00"), ("22:00", "24:00"), ("00:00", "24:00"), ("00:00", "00:01"),
     ("23:59", "00:01"), ("12:30", "12:29"), ("06:15", "06:16")],
)  # fmt: skip
def test_httpd_is_told_the_same_hours(begin: str, end: str, days: tuple[Weekday, ...]) -> None:
    """Every minute of a week and a day, its first and its last second. ``to: "00:00"`` once left nothing shut at all."""
    window = During(days, TimeOfDay.parse(begin), TimeOfDay.parse(end))
    condition = during(window)
    for minute in range(8 * 24 * 60):
        for second in (0, 59):
            at = MONDAY + timedelta(minutes=minute, seconds=second)
            assert holds(condition, at) is window.covers(at), at


def test_without_hours_it_is_never() -> None:
    """``check`` refuses windows that open and close at once; should one come here, it is shut."""
    window = During((), TimeOfDay.parse("08:00"), TimeOfDay.parse("08:00"))
    assert not any(holds(during(window), MONDAY + timedelta(minutes=m)) for m in range(24 * 60))
