"""What a service says about one kind of call to the outside."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel

from services.chassis.batch import Loads
from services.chassis.targets import Limits
from services.chassis.unit_of_work import UnitOfWork

AnyRequest = TypeVar("AnyRequest", bound=BaseModel)
AnyOutcome = TypeVar("AnyOutcome")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try of a call: `key` is the same at every try, `number` begins with 1.

    `taken_over` says that another process had the call in hand, and may have made this very try.
    """

    key: UUID
    number: int
    promised: datetime
    correlation_id: str
    traceparent: str | None
    payload: bytes = b""
    taken_over: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a call after an attempt.

    `again_at` is the time of the next attempt, None when the call is over. `failed` counts against
    the target's circuit; `quiet_until` makes the whole target wait. `postponed` says that nobody
    was called: the attempt is not counted, and the circuit has learned nothing.
    """

    again_at: datetime | None = None
    failed: bool = False
    quiet_until: datetime | None = None
    postponed: bool = False


@dataclass(frozen=True, slots=True)
class Gateway(Generic[AnyRequest, AnyOutcome]):
    """One kind of call.

    `call` makes the request and returns what happened; it raises only on a bug. `record` is a
    handler: it keeps the outcome, sends what follows from it and gives the verdict. `limits` is
    asked again and again, so it must be quick, and may change its mind. `loads` names the documents
    that `record` needs, `then` those that only the outcome can tell.
    """

    kind: str
    request: type[AnyRequest]
    call: Callable[[AnyRequest, Attempt], Awaitable[AnyOutcome]]
    record: Callable[[AnyRequest, AnyOutcome, Attempt, UnitOfWork], Verdict]
    loads: Callable[[AnyRequest], Loads] = lambda _: ()
    then: Callable[[AnyRequest, AnyOutcome], Loads] = lambda *_: ()
    limits: Callable[[str], Limits] = lambda _: Limits()
