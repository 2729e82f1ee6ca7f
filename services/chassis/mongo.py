"""MongoDB: the client, the types it keeps, and the one way to run a transaction.

Only this module and `queries.py` files touch the driver, and only through calls that motor and
PyMongo's own async client both have (services/decisions/0004-motor-behind-one-module.md).
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from uuid import UUID

import pymongo.database
from bson import Decimal128
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, TypeCodec, TypeRegistry
from motor.motor_asyncio import (
    AsyncIOMotorClient,
    AsyncIOMotorCollection,
    AsyncIOMotorDatabase,
)
from pymongo import ReadPreference, WriteConcern
from pymongo.client_session import ClientSession
from pymongo.errors import BulkWriteError, ConnectionFailure, DuplicateKeyError, PyMongoError
from pymongo.read_concern import ReadConcern

from services.chassis.document import Bson as Bson  # noqa: PLC0414 - this module hands it on

Client = AsyncIOMotorClient[Bson]
Database = AsyncIOMotorDatabase[Bson]
Collection = AsyncIOMotorCollection[Bson]
InTransaction = pymongo.database.Database[Bson]
Session = ClientSession

DUPLICATE_KEY = 11000
EFFECTS = "effects"
"""What requests have done that may come again."""
_CACHE_LIMIT = 50_000

Result = TypeVar("Result")


class _Amount(Decimal128):
    """A Decimal128 that works its bytes out once, not at every writing."""

    __slots__ = ("bid",)

    def __init__(self, value: Decimal) -> None:
        super().__init__(value)
        self.bid = Decimal128.bid.fget(self)  # type: ignore[misc,attr-defined] # the property


class _Amounts(TypeCodec):
    """Decimal to Decimal128 and back, remembering both ways: amounts repeat all day."""

    python_type = Decimal
    bson_type = Decimal128

    def __init__(self) -> None:
        self._to_bson: dict[Decimal, Decimal128] = {}
        self._to_python: dict[bytes, Decimal] = {}

    def transform_python(self, value: Decimal) -> Decimal128:
        known = self._to_bson.get(value)
        if known is None:
            if len(self._to_bson) > _CACHE_LIMIT:
                self._to_bson.clear()
            known = self._to_bson[value] = _Amount(value)
        return known

    def transform_bson(self, value: Decimal128) -> Decimal:
        known = self._to_python.get(value.bid)
        if known is None:
            if len(self._to_python) > _CACHE_LIMIT:
                self._to_python.clear()
            known = self._to_python[value.bid] = value.to_decimal()
        return known


class _Numbers(TypeCodec):
    """Amounts as floats, which is what they are on the wire: that spares a pass over each order."""

    python_type = Decimal
    bson_type = Decimal128

    def __init__(self) -> None:
        self._known: dict[bytes, float] = {}

    def transform_python(self, value: Decimal) -> Decimal128:
        return Decimal128(value)

    def transform_bson(self, value: Decimal128) -> float:
        known = self._known.get(value.bid)
        if known is None:
            if len(self._known) > _CACHE_LIMIT:
                self._known.clear()
            known = self._known[value.bid] = float(value.to_decimal())
        return known


def _codec(amounts: TypeCodec) -> CodecOptions[Bson]:
    return CodecOptions(
        tz_aware=True,
        uuid_representation=UuidRepresentation.STANDARD,
        type_registry=TypeRegistry([amounts]),
    )


CODEC = _codec(_Amounts())
NUMBERS = _codec(_Numbers())
"""For documents that go out as JSON and are not reckoned with."""


def connect(url: str) -> Client:
    """Return a client whose writes are acknowledged by a majority and journaled."""
    return AsyncIOMotorClient(
        url, maxPoolSize=16, retryWrites=True, serverSelectionTimeoutMS=10_000
    )


async def disconnect(client: Client) -> None:
    """Close the client, which first ends its sessions: ten seconds where MongoDB is away.

    Elsewhere than in the event loop, which goes on meanwhile.
    """
    await asyncio.to_thread(client.close)


def database(client: Client, name: str) -> Database:
    """Return the database of this deployment."""
    return client.get_database(
        name, codec_options=CODEC, write_concern=WriteConcern("majority", j=True)
    )


def is_outage(error: BaseException) -> bool:
    """Say whether MongoDB is away or changing its primary: waiting helps, blaming data does not."""
    if isinstance(error, ConnectionFailure):
        return True
    return isinstance(error, PyMongoError) and (
        error.has_error_label("TransientTransactionError")
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("UnknownTransactionCommitResult")
        or error.timeout
    )


def is_duplicate(error: BaseException) -> bool:
    """Say whether the write failed because a unique key was taken."""
    if isinstance(error, DuplicateKeyError):
        return True
    if not isinstance(error, BulkWriteError):
        return False
    details: Mapping[str, Any] = error.details or {}
    return any(fault.get("code") == DUPLICATE_KEY for fault in details.get("writeErrors", ()))


async def transact(database: Database, work: Callable[[InTransaction, Session], Result]) -> Result:
    """Run `work` in one transaction and commit it.

    `work` is a plain function that makes its calls one after the other: all of them together cost
    one change of threads, where each would cost its own
    (services/decisions/0004-motor-behind-one-module.md).

    `TransientTransactionError` runs the whole again, `UnknownTransactionCommitResult` commits
    again, for up to two minutes, as the driver's documentation prescribes. `work` may therefore
    run several times and must have no effect but its writes.
    """
    plain: InTransaction = database.delegate

    def run() -> Result:
        with plain.client.start_session() as session:
            return session.with_transaction(
                lambda session: work(plain, session),
                read_concern=ReadConcern("local"),
                write_concern=WriteConcern("majority", j=True),
                read_preference=ReadPreference.PRIMARY,
            )

    return await asyncio.get_running_loop().run_in_executor(None, run)


async def prepare_effects(database: Database, *, kept: timedelta) -> None:
    """Create the index by which effects are forgotten."""
    await database[EFFECTS].create_index("at", expireAfterSeconds=int(kept.total_seconds()))


async def transact_once(
    database: Database,
    work: Callable[[InTransaction, Session], Bson | None],
    *,
    request: UUID | None,
    at: datetime,
) -> tuple[Bson | None, bool]:
    """Run `work` as `transact` does, unless it was run for this very request before.

    Returns what it has made of things, and whether that was before; None is nothing, and not
    remembered.

    :param request: what the request is known by when it comes again; None if it will not
    """

    def run(plain: InTransaction, session: Session) -> tuple[Bson | None, bool]:
        its = {"_id": request}
        earlier = None if request is None else plain[EFFECTS].find_one(its, session=session)
        if earlier is not None:
            return earlier["made"], True
        made = work(plain, session)
        if request is not None and made is not None:
            plain[EFFECTS].insert_one({**its, "at": at, "made": made}, session=session)
        return made, False

    return await transact(database, run)
