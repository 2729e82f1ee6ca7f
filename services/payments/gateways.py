"""Payment providers, over HTTP (contracts/schemas/payment-provider.openapi.yaml)."""

from collections.abc import Callable
from typing import Final

from contracts.model import Invalid, Model, parse
from contracts.money import Amount
from contracts.settings import Configuration, Connector
from services.chassis.calls import Attempt
from services.chassis.http import AddressNotAllowed, Answer, CallFailed, Outbound
from services.payments.domain.ledger import Instruction, instruct
from services.payments.domain.operation import Kind, Operation, ProviderCall
from services.payments.domain.outcome import Declined, Failed, Outcome, Succeeded, Unknown
from services.payments.queries import Ledger

CONCURRENCY: Final = 32
_LONGEST_REASON: Final = 300
_DONE: Final = frozenset({200, 201})
_DECLINED: Final = 402
_NOT_FOUND: Final = 404
_REFUSED: Final = range(400, 500)

_PATHS: Final[dict[Kind, str]] = {
    "authorize": "authorizations",
    "capture": "captures",
    "void": "voids",
    "credit": "credits",
}


class NotConnected(Exception):
    """The configuration does not say where the provider is."""


class OperationRequest(Model):
    """What the provider is asked to do."""

    order_id: str
    payment_id: str
    transaction_id: str | None = None
    amount: Amount
    currency: str
    reference: str | None = None


class OperationAnswer(Model):
    """What the provider says of an operation."""

    transaction_id: str | None = None
    status: str
    reason: str | None = None


class Refusal(Model):
    """Why a provider did nothing."""

    reason: str | None = None


class Providers:
    """Has operations carried out by the provider of their connector, once each.

    The operation's id is the idempotency key of every attempt. Whoever may have asked before, this
    process or one that died, asks first whether it happened (decided 7.2).
    """

    def __init__(
        self,
        outbound: Outbound,
        *,
        ledger: Ledger,
        configuration: Callable[[], Configuration],
    ) -> None:
        self._outbound = outbound
        self._ledger = ledger
        self._configuration = configuration

    async def carry_out(self, call: ProviderCall, attempt: Attempt) -> Outcome:
        """Make one attempt, and say what is known after it."""
        operation, of_order = await self._ledger.around(call.operation_id, call.order_id)
        repeated = attempt.number > 1 or attempt.taken_over
        told = instruct(operation, of_order)
        if not isinstance(told, Instruction):
            return told
        try:
            return await self._attempt(operation, told, attempt, repeated=repeated)
        except (NotConnected, AddressNotAllowed) as error:
            # Only what was certainly never sent has certainly failed.
            return Unknown(str(error)) if repeated else Failed(str(error))
        except CallFailed as error:
            return Unknown(str(error))

    async def _attempt(
        self, operation: Operation, told: Instruction, attempt: Attempt, *, repeated: bool
    ) -> Outcome:
        connector = self._configuration().connector(operation.connector)
        if connector is None or not connector.host:
            raise NotConnected(f"the connector {operation.connector} has no host")
        if repeated:
            known = await self._ask(connector, operation, told, attempt)
            if known is not None:
                return known
            if operation.state == "unknown":
                return Failed("the provider says that it did not happen")
        return await self._tell(connector, operation, told, attempt)

    async def _tell(
        self, connector: Connector, operation: Operation, told: Instruction, attempt: Attempt
    ) -> Outcome:
        request = OperationRequest(
            order_id=operation.asked_for,
            payment_id=operation.payment_id,
            transaction_id=told.transaction_id,
            amount=told.amount,
            currency=operation.currency,
            reference=operation.reference,
        )
        answer = await self._outbound.request(
            "POST",
            f"{_base(connector)}/{_PATHS[operation.kind]}",
            data=request.model_dump_json(exclude_none=True).encode(),
            headers=_headers(connector, attempt)
            | {"Content-Type": "application/json", "Idempotency-Key": operation.id},
            timeout_seconds=float(connector.time_out),
        )
        return _read(answer, operation, told)

    async def _ask(
        self, connector: Connector, operation: Operation, told: Instruction, attempt: Attempt
    ) -> Outcome | None:
        """Return what became of an earlier attempt, None if the provider knows of none."""
        answer = await self._outbound.request(
            "GET",
            f"{_base(connector)}/operations/{operation.id}",
            headers=_headers(connector, attempt),
            timeout_seconds=float(connector.time_out),
        )
        if answer.status == _NOT_FOUND:
            return None
        if answer.status in _REFUSED:
            return Unknown(f"the provider answered {answer.status} when asked what happened")
        return _read(answer, operation, told)


def _base(connector: Connector) -> str:
    return (connector.host or "").rstrip("/")


def _headers(connector: Connector, attempt: Attempt) -> dict[str, str]:
    headers = {"Accept": "application/json", **connector.headers}
    if connector.secret:
        headers["Authorization"] = f"Bearer {connector.secret}"
    if attempt.traceparent:
        headers["traceparent"] = attempt.traceparent
    return headers


def _read(answer: Answer, operation: Operation, told: Instruction) -> Outcome:
    """Return what an answer means; whatever is not in the contract leaves it unknown."""
    if answer.status in _DONE:
        return _read_done(answer, operation, told)
    if answer.status == _DECLINED:
        return Declined(_reason(answer) or "declined")
    if answer.status in _REFUSED:
        reason = _reason(answer)
        return Failed(f"the provider answered {answer.status}" + (f": {reason}" if reason else ""))
    return Unknown(f"the provider answered {answer.status}")


def _read_done(answer: Answer, operation: Operation, told: Instruction) -> Outcome:
    try:
        found = parse(OperationAnswer, answer.body).value
    except Invalid:
        return Unknown("the provider's answer cannot be read")
    if found.status == "declined":
        return Declined((found.reason or "declined")[:_LONGEST_REASON])
    if found.status != "succeeded" or not found.transaction_id:
        return Unknown(f"the provider says {found.status[:_LONGEST_REASON]}")
    authorization = found.transaction_id if operation.kind == "authorize" else told.transaction_id
    return Succeeded(
        amount=told.amount,
        transaction_id=authorization,
        provider_transaction_id=found.transaction_id,
        note=told.note,
    )


def _reason(answer: Answer) -> str | None:
    try:
        reason = parse(Refusal, answer.body).value.reason
    except Invalid:
        return None
    return reason[:_LONGEST_REASON] if reason else None
