"""Ids of what has no cause. All others are derived (`contracts.message.derived`)."""

import os
import time
from uuid import UUID

from contracts.message import labelled


def new_id() -> UUID:
    """Return an id that nobody else has: UUID version 7, of which later ones sort later."""
    milliseconds = time.time_ns() // 1_000_000
    return labelled(milliseconds.to_bytes(6) + os.urandom(10), version=7)
