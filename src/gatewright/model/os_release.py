"""Which system this is, by the text of its /etc/os-release."""

from __future__ import annotations


def system_ids(os_release: str) -> tuple[str, ...]:
    """Its own ``ID``, then those it is like (``ID_LIKE``), in lower case (os-release(5))."""
    values = {}
    for line in os_release.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            values[name.strip()] = value.strip().strip("'\"").lower()
    return (values.get("ID", ""), *values.get("ID_LIKE", "").split())
