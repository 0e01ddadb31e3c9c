"""What a supervisor does about changes: follow those that were kept, take back those whose maker was killed."""

from __future__ import annotations

from collections.abc import Callable

from gatewright.app.drift import damaged
from gatewright.app.generations import apply_lock, current_number, pending_number, settle, switch_to
from gatewright.app.in_place import before_change
from gatewright.app.places import Places
from gatewright.app.policy import applied_gateway
from gatewright.model.gateway import Gateway
from gatewright.ports.clock import Clock
from gatewright.ports.files import Files

AGAIN_S = 60.0
"""Seconds until a proof that did not come about is tried again: it takes two or three, and fails for reasons that last."""


class Settling:
    """Called several times a second while httpd serves; usually three looks at what is there.

    ``reload`` has httpd read the current generation again; ``follow`` takes the gateway that is in force from now on; ``again``
    has what is in force applied and proved once more, by somebody else and in their own time; ``anew`` does so at once, while
    httpd does not run, and raises :class:`~gatewright.errors.EnvironmentFault` where that fails.
    """

    def __init__(
        self,
        places: Places,
        files: Files,
        *,
        say: Callable[[str], None],
        reload: Callable[[], None],
        follow: Callable[[Gateway], None],
        again: Callable[[], None],
        anew: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._places, self._files = places, files
        self._say, self._reload, self._follow = say, reload, follow
        self._again, self._anew, self._clock = again, anew, clock
        self._begun = False
        self._seen = current_number(files, places)
        self._not_before = 0.0

    def __call__(self) -> None:
        """Do what is due."""
        if pending_number(self._files, self._places):
            self._take_back()
        number = current_number(self._files, self._places)
        if number and before_change(self._files, self._places.layout(number)) is not None:
            self._have_proved()
        else:
            self._not_before = 0.0
        if number != self._seen:
            self._seen = number
            gateway = applied_gateway(self._files, self._places, number)
            if gateway is not None:
                self._follow(gateway)

    def before_start(self) -> None:
        """Before httpd is started again: a change that is not proved yet may be what it died of.

        The link ``back`` stays: whoever applies, or this supervisor when they are gone, settles the rest.
        """
        good = pending_number(self._files, self._places)
        if good and current_number(self._files, self._places) != good:
            self._say(f"The change under way is not proved; httpd starts with the last good generation, {good}.")
            switch_to(self._files, self._places, good)
        # Before the first start, whoever brings the gateway up has looked.
        if self._begun:
            self._start_only_what_was_proved()
        self._begun = True

    def _start_only_what_was_proved(self) -> None:
        """What somebody changed or emptied while httpd ran from memory must neither be started nor keep it from starting."""
        number = current_number(self._files, self._places)
        changed = damaged(self._files, self._places, number) if number else ()
        if not changed:
            return
        self._say(
            f"Files that generation {number} needs are not as they were written: {', '.join(changed)}. Nobody has proved that, "
            "so it is not started; what is in force is made anew and proved first."
        )
        self._anew()

    def _have_proved(self) -> None:
        """A change of members whose maker was killed before its proof: proved now or taken back, whichever the proof says."""
        if self._clock.monotonic() < self._not_before:
            return
        with self._files.lock(apply_lock(self._places)) as ours:
            if not ours:
                return
        self._not_before = self._clock.monotonic() + AGAIN_S
        self._say("An apply was killed before its change of members was proved; it is proved now, or taken back.")
        self._again()

    def _take_back(self) -> None:
        """An unproved change does not stay when whoever was proving it is gone."""
        with self._files.lock(apply_lock(self._places)) as ours:
            if not ours:
                return
            good = settle(self._files, self._places)
            if good:
                self._say(f"An apply was killed before its change was proved; generation {good} is taken again.")
                self._reload()
