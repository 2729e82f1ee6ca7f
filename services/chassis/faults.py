"""A way for tests to kill a process at an exact point of its work. Off unless asked for.

`KONTOR_CRASH_AT=after_commit:3` ends the process with SIGKILL the third time it passes the point
of that name. Nothing is flushed or closed: that is the purpose. `after_commit:3:SIGSTOP` freezes it
there instead, until somebody lets it go on.
"""

import os
import signal

POINTS = (
    "before_read",
    "after_read",
    "in_transaction",
    "after_commit",
    "during_produce",
    "before_offset_commit",
    "before_outbox_delete",
    "after_call",
)

_point, _count, _signal = (*os.environ.get("KONTOR_CRASH_AT", "").split(":"), "", "")[:3]
_left = int(_count or 1)


def crash_point(name: str) -> None:
    """Die here if the environment says so."""
    global _left  # noqa: PLW0603 - one countdown a process is the whole state
    if name != _point:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.Signals[_signal or "SIGKILL"])
