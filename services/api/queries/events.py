"""The events of one order as they left on Kafka, and its log (design 5, 10; decided 5.6).

The workflow service writes into the log what is neither an event nor part of one; what its versions
say of a change besides, its run and what nobody knew of it, is read from those.
"""

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Final

from pydantic_core import from_json, to_json

from contracts.history import IGNORED, Version, ignored_sentence, version_key
from contracts.model import Model
from services.api.queries.versions import versions
from services.chassis.mongo import Bson, Database

LARGEST: Final = 16 * 1024 * 1024
"""Bytes after which a page ends early; each event carries the whole order."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events, each as JSON, and the sequence of the last one; `after` where there is none."""

    items: list[bytes]
    next_after: int
    versions: list[Version] = field(default_factory=list)

    def body(self, log: "LogPage | None" = None) -> bytes:
        """Return the page as JSON, with the log where that is wanted."""
        page = b'{"items":[%s],"nextAfter":%d}' % (b",".join(self.items), self.next_after)
        return page if log is None else page[:-1] + b"," + log.body()[1:]


class LogEntry(Model):
    """What is told of an order besides its events; it has no sequence (domain 5.6)."""

    timestamp: datetime
    operation_id: int
    category: str
    message: str
    is_error: bool = False
    user: str
    origin: str


@dataclass(frozen=True, slots=True)
class LogPage:
    """Some entries by time, and after which of those that are kept apart to read on."""

    entries: list[LogEntry]
    next_log_after: str

    def body(self) -> bytes:
        """Return the page as JSON."""
        entries = [one.model_dump(mode="json", by_alias=True) for one in self.entries]
        return to_json({"log": entries, "nextLogAfter": self.next_log_after})


async def events(database: Database, order_id: str, *, after: int, take: int) -> EventPage:
    """Return the order's events with a sequence above `after`, ascending, at most `take`."""
    items: list[bytes] = []
    kept: list[Version] = []
    size = 0
    async with aclosing(versions(database, order_id, first=after + 1)) as found:
        async for version in found:
            items.append(version.event)
            kept.append(version)
            after = version.number
            size += len(version.event)
            if len(items) == take or size > LARGEST:
                break
    return EventPage(items, after, kept)


async def log(
    database: Database, order_id: str, page: EventPage, *, after: str, take: int
) -> LogPage:
    """Return what is told besides these events, and at most `take` entries that are kept apart."""
    # Entries of an order are neighbours: "/" comes right before "0".
    its = {"_id": {"$gt": f"{order_id}/{after}", "$lt": f"{order_id}0"}}
    kept = await database["order_log"].find(its).sort("_id", 1).limit(take).to_list(None)
    entries = [_entry(one) for one in kept]
    before = None
    if page.versions and (first := page.versions[0].number) > 1:
        id_ = version_key(order_id, first - 1)
        before = await database["order_versions"].find_one({"_id": id_}, {"commandId": 1})
    command = before["commandId"] if before is not None else None
    for version in page.versions:
        if version.kept["commandId"] != command:
            entries += _of_change(version)
        command = version.kept["commandId"]
    last = kept[-1]["_id"].removeprefix(f"{order_id}/") if kept else after
    return LogPage(sorted(entries, key=attrgetter("timestamp")), last)


def _entry(kept: Bson) -> LogEntry:
    members = {name: kept[name] for name in ("operationId", "category", "message", "isError")}
    return LogEntry.model_validate(
        {**members, "timestamp": kept["at"], "user": kept["user"], "origin": kept["origin"]}
    )


def _of_change(version: Version) -> Iterator[LogEntry]:
    """Yield what a version says of the change besides its events."""
    kept = version.kept
    results, unknown = kept.get("results") or (), kept.get("ignoredFields") or ()
    steps = kept.get("told")
    if not results and not unknown and steps is None:
        return
    told = from_json(version.event)
    by = {"timestamp": kept["at"], "user": kept["user"], "origin": told["origin"]}
    if unknown:
        number, category = IGNORED
        yield LogEntry(
            operation_id=number, category=category, message=ignored_sentence(unknown), **by
        )
    if results or steps is not None:
        yield LogEntry(
            operation_id=_STARTED, category="Workflow", message="The workflow was started", **by
        )
        for sentence in steps or ():
            yield LogEntry(operation_id=_STEP, category="WorkflowStep", message=sentence, **by)
        is_aborted = kept.get("isAborted", False)
        end = "was aborted" if is_aborted else "was completed"
        names = ", ".join(one["actionType"] for one in results) or "no step was to run"
        yield LogEntry(
            operation_id=_COMPLETED,
            category="Workflow",
            message=f"The workflow {end}: {names}",
            is_error=is_aborted,
            **by,
        )


_STARTED: Final = 111100
_COMPLETED: Final = 111102
_STEP: Final = 111103
