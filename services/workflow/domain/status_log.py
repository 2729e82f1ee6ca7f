"""How long a shipment stays in each status (S2, order status log)."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from contracts.fields import LONGEST_LIST
from contracts.shipment import StatusLogItem

_MILLISECOND: Final = timedelta(milliseconds=1)


def status_log(
    log: Sequence[StatusLogItem] | None, status: str, now: datetime
) -> list[StatusLogItem]:
    """Return the log of a shipment that enters a status, which is logged only the first time.

    A log that is as long as a list may be grows no more.
    """
    entries = list(log or ())
    known = {(entry.status or "").casefold() for entry in entries}
    if status.casefold() in known or len(entries) >= LONGEST_LIST:
        return entries
    entry = StatusLogItem(status=status, timestamp=now)
    before = entries[-1].timestamp if entries else None
    if before is not None and entry.timestamp is not None:
        duration = (entry.timestamp - before) // _MILLISECOND
        entry = entry.model_copy(update={"duration_since_previous_ms": duration})
    return [*entries, entry]
