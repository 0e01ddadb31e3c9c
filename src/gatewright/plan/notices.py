"""What the supervisor tells the operator, in words."""

from __future__ import annotations

from gatewright.diagnose.startup import SIGNAL_WORDS
from gatewright.errors import Diagnostic
from gatewright.plan import happenings as h


def tell(notice: h.Notice) -> str:
    """One notice as one or two plain sentences."""
    match notice:
        case h.Died():
            text = _death(notice)
        case h.RestartingIn(0.0, death, most):
            text = f"Starting httpd again at once (death {death}; after {most} in a short time it stays down)."
        case h.RestartingIn(seconds, death, most):
            text = f"Starting httpd again in {seconds:g} s (death {death} of at most {most})."
        case h.RestartFailed(problems):
            text = f"httpd did not come back: {_reasons(problems)}."
        case h.Back(pid, seconds):
            text = f"httpd serves again (pid {pid}), {seconds:.1f} s after it died."
        case h.Stopping(at_once=False):
            text = "Stopping; requests under way are finished. Press Ctrl-C again to stop at once."
        case h.Stopping():
            text = "Stopping at once."
        case h.StopOverdue(seconds):
            text = f"httpd did not end within {seconds:g} s and is killed."
        case h.Reloading():
            text = "Taking the new configuration."
        case h.Reloaded():
            text = "The new configuration is in force."
        case h.ReloadUnanswered(seconds, problems):
            text = f"httpd did not confirm the new configuration within {seconds:g} s: {_reasons(problems)}."
    return text


def _reasons(problems: tuple[Diagnostic, ...]) -> str:
    return "; ".join(problem.what for problem in problems)


def _death(died: h.Died) -> str:
    served = f"after serving for {_span(died.after)}"
    if died.signal is not None:
        words = SIGNAL_WORDS.get(died.signal, "somebody or the kernel ended it")
        return f"httpd (pid {died.pid}) was killed by signal {died.signal} {served}: {words}."
    if died.code == 0:
        return (
            f"httpd (pid {died.pid}) was told to stop by somebody else {served}. "
            "Use `gatewright down` to stop a gateway for good."
        )
    return f"httpd (pid {died.pid}) ended with exit code {died.code} {served}; logs/error.log says why."


def _span(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"
