"""The settings as documents: read, replaced whole, every version kept (decided 1.2).

All of them are one stored document, which every service watches (chassis/configuration.py), so a
change is in force everywhere at one instant and never half.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from pydantic.alias_generators import to_snake
from pymongo.errors import DuplicateKeyError

from contracts.settings import DEFAULT, DOCUMENTS, Configuration, Connector
from services.chassis.configuration import DOCUMENT
from services.chassis.mongo import Bson, Database, InTransaction, Session, transact

MEMBERS: Final[Mapping[str, str]] = {name: to_snake(name) for name in DOCUMENTS}
"""Which member of a Configuration holds which document."""

# Any: what each adapter reads is the type that DOCUMENTS names.
_WRITERS: Final[Mapping[str, TypeAdapter[Any]]] = {
    name: TypeAdapter(kind) for name, kind in DOCUMENTS.items()
}


class Changed(Exception):
    """The document is not the one that the client has read."""


class SecretMissing(Exception):
    """A connector's stored secret is not for the host that it has now."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


class _Overtaken(Exception):
    """Somebody else stored another document meanwhile."""


@dataclass(frozen=True, slots=True)
class Stored:
    """The settings in force, and at which version each document changed last."""

    configuration: Configuration
    changed_at: Mapping[str, int]

    def version(self, name: str) -> int:
        """Return the version with which this document came; 0 is what was shipped."""
        return self.changed_at.get(name, 0)

    def public(self, name: str) -> bytes:
        """Return a document as clients see it: without secrets."""
        return shown(name, getattr(self.configuration, MEMBERS[name]))


def shown(name: str, value: object) -> bytes:
    """Return a document's value as JSON, without secrets."""
    hidden = {"__all__": {"secret"}} if name == "Connectors" else None
    return _WRITERS[name].dump_json(value, by_alias=True, exclude_none=True, exclude=hidden)


class SettingsStore:
    """The collections `settings` and `settings_versions`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Create the index by which a request that comes again finds what it has stored."""
        await self._database["settings_versions"].create_index("request", sparse=True)

    async def read(self) -> Stored:
        """Return what is stored; what was shipped where nothing is."""
        found = await self._database["settings"].find_one({"_id": DOCUMENT})
        if found is None:
            return Stored(DEFAULT, {})
        changed_at: Mapping[str, int] = found.get("changedAt") or dict.fromkeys(
            DOCUMENTS, found["version"]
        )
        return Stored(_configuration(found), changed_at)

    async def replace(  # noqa: PLR0913 - what a version tells of itself is handed to it
        self,
        name: str,
        value: object,
        *,
        is_expected: Callable[[int], bool],
        user: str,
        request: UUID | None,
        now: datetime,
    ) -> tuple[Stored, Stored]:
        """Put a document in the place of what is stored; return the settings before and after.

        What is stored already is not stored again, nor what this very request has stored before:
        others may have stored something else since.

        :param is_expected: told the document's version, says whether it is the expected one
        :param request: what the request is known by when it comes again; None if it will not
        :raises Changed: if it is not
        :raises SecretMissing: if a connector has another host and no secret for it
        """
        earlier = None if request is None else await self._stored_by(request, name)
        if earlier is not None:
            return earlier
        while True:
            before = await self.read()
            if not is_expected(before.version(name)):
                raise Changed(name)
            after = _with(before, name, value)
            if _value(after, name) == _value(before, name):
                return before, before
            change = _entry(after, name, user, now)
            if request is not None:
                change["request"] = request
            try:
                await self._store(before, after, change=change)
            except (_Overtaken, DuplicateKeyError):
                # Another document changed: read that one too and put ours beside it.
                continue
            return before, after

    async def _stored_by(self, request: UUID, name: str) -> tuple[Stored, Stored] | None:
        versions = self._database["settings_versions"]
        entry = await versions.find_one({"request": request})
        if entry is None:
            return None
        before = await versions.find_one({"_id": entry["_id"] - 1})
        return (
            Stored(_configuration(before) if before else DEFAULT, {}),
            Stored(_configuration(entry), {name: entry["_id"]}),
        )

    async def _store(self, before: Stored, after: Stored, *, change: Bson) -> None:
        members = {
            "version": after.configuration.version,
            "json": change["json"],
            "changedAt": dict(after.changed_at),
        }

        def write(database: InTransaction, session: Session) -> None:
            settings = database["settings"]
            if before.configuration.version == 0:
                # What was shipped is stored nowhere; of two first changes one finds the key taken.
                settings.insert_one({"_id": DOCUMENT, **members}, session=session)
            else:
                guard = {"_id": DOCUMENT, "version": before.configuration.version}
                result = settings.update_one(guard, {"$set": members}, session=session)
                if not result.matched_count:
                    raise _Overtaken
            database["settings_versions"].insert_one(change, session=session)

        await transact(self._database, write)


def _configuration(entry: Bson) -> Configuration:
    return Configuration.model_validate_json(entry["json"])


def _value(stored: Stored, name: str) -> object:
    found: object = getattr(stored.configuration, MEMBERS[name])
    return found


def _with(before: Stored, name: str, value: object) -> Stored:
    if name == "Connectors":
        value = _with_secrets(before.configuration, value)
    version = before.configuration.version + 1
    changes = {MEMBERS[name]: value, "version": version}
    configuration = before.configuration.model_copy(update=changes)
    return Stored(configuration, {**before.changed_at, name: version})


def _with_secrets(configuration: Configuration, value: object) -> tuple[Connector, ...]:
    """Let each connector keep the secret that clients never see and so cannot send back."""
    stored = {one.connector_id.casefold(): one for one in configuration.connectors}
    kept = []
    for place, one in enumerate(value if isinstance(value, tuple) else ()):
        try:
            kept.append(one.keeping(stored.get(one.connector_id.casefold())))
        except ValueError as error:
            raise SecretMissing(f"[{place}].secret", str(error)) from error
    return tuple(kept)


def _entry(after: Stored, name: str, user: str, now: datetime) -> Bson:
    return {
        "_id": after.configuration.version,
        "document": name,
        "user": user,
        "at": now,
        "json": after.configuration.model_dump_json(by_alias=True, exclude_none=True),
    }
