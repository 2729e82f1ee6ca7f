"""What is known of a notification, and the rules by which it ends."""

import re
from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict

from contracts.messages.notifications import SendNotification
from contracts.messages.orders import StepFinished, StepStatus
from services.chassis.document import Document

NO_SERVER: Final = "no mail server configured"
NO_ADDRESS: Final = "the order has no e-mail address"
BAD_ADDRESS: Final = "the order's e-mail address is not one that mail servers take"
BAD_OTHER_ADDRESS: Final = (
    "the address of a copy or of the sender is not one that mail servers take"
)

RETRY_AFTER: Final = (5, 30, 120, 600)
"""Seconds to wait after each attempt that may be repeated."""

MOST_HAND_OVERS: Final = 2
"""How often one mail may be handed over while nobody knows whether it was taken."""

DEFAULT_TEMPLATE: Final = "default"
TEMPLATES: Final = frozenset(
    {"new", "ship", "completed", "ordercanceled", "readyforpickup", "pickedup", "notcollected"}
)
"""The statuses that have a text of their own; each is a file in `templates/`."""
OCCASIONS: Final = frozenset({"comment", "cancelledlines"})
"""Texts for what is no status; files there too."""

# As HTML defines a valid e-mail address: no quoting, no comments, nothing a command may hide in.
_LOCAL: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}")
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LONGEST_ADDRESS: Final = 254


class Notification(Document):
    """What became of one SendNotification; its id is the message's.

    `attempts` counts what is known to have ended, `unresolved` the hand-overs of which nobody knows
    the end. The recipient stands here for the operator and never in a log.
    """

    collection: ClassVar[str] = "notifications"

    order_id: str
    status: str
    template: str
    recipient: str | None = None
    state: Literal["pending", "sent", "failed", "skipped"]
    created: datetime
    sent: datetime | None = None
    attempts: int = 0
    unresolved: int = 0
    reason: str | None = None


class Mail(BaseModel):
    """The request of a call: which notification to deliver, where to, and what it says."""

    model_config = ConfigDict(frozen=True)

    notification_id: str
    recipient: str
    copies: tuple[str, ...] = ()
    blind_copies: tuple[str, ...] = ()
    sender: str | None = None
    """Whom it says it is from; absent means whoever all our mail is from."""
    template: str
    command: SendNotification


class Fate(StrEnum):
    """How one attempt to deliver a mail ended."""

    NOWHERE = "nowhere"
    """There is no mail server any more."""
    FORGOTTEN = "forgotten"
    """The order was deleted for good before its turn came."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """For good: the server will say the same again."""
    BUSY = "busy"
    """The server asks to come back later."""
    UNREACHABLE = "unreachable"
    """There was no server to ask, or it let us down before the mail was handed over."""
    UNKNOWN = "unknown"
    """The mail was handed over and no answer came: it may have been taken."""


class Delivery(BaseModel):
    """What is known after an attempt. `handed_over` says whether the server was given the mail."""

    model_config = ConfigDict(frozen=True)

    fate: Fate
    reason: str | None = None
    handed_over: bool = False

    @property
    def is_trouble(self) -> bool:
        """Whether it speaks against the server rather than against this mail."""
        return self.fate in {Fate.UNREACHABLE, Fate.UNKNOWN}


def deliverable(address: str) -> str | None:
    """Return the address as SMTP takes it without extensions, None if there is no such form."""
    local, at, domain = address.strip().rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode()
    except UnicodeError:
        return None
    found = f"{local}{at}{ascii_domain}"
    fits = _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(ascii_domain)
    return found if fits and len(found) <= _LONGEST_ADDRESS else None


def template_for(status: str, occasion: str | None = None) -> str:
    """Return the name of the text for a status, whatever its case, or for another occasion."""
    if occasion in OCCASIONS:
        return occasion
    name = status.casefold()
    return name if name in TEMPLATES else DEFAULT_TEMPLATE


def begin(
    command: SendNotification, *, id_: str, now: datetime
) -> tuple[Notification, list[Mail], list[StepFinished]]:
    """Find out whom to write to; return the record, the mail to promise, and what to tell."""
    record = _record(command, id_=id_, now=now)
    given = (command.recipient or "").strip()
    if not given:
        record, answers = _skipped(record, command, NO_ADDRESS)
        return record, [], answers
    address = deliverable(given)
    if address is None:
        record, answers = _failed(record, command, BAD_ADDRESS)
        return record, [], answers
    others = (*command.copies, *command.blind_copies, command.sender or address)
    known = {one: deliverable(one) or "" for one in others}
    if "" in known.values():
        record, answers = _failed(record, command, BAD_OTHER_ADDRESS)
        return record, [], answers
    mail = Mail(
        notification_id=id_,
        recipient=address,
        copies=tuple(known[one] for one in command.copies),
        blind_copies=tuple(known[one] for one in command.blind_copies),
        sender=known[command.sender] if command.sender else None,
        template=record.template,
        command=command,
    )
    return record, [mail], []


def skip(
    command: SendNotification, *, id_: str, now: datetime
) -> tuple[Notification, list[StepFinished]]:
    """Record that there is no mail server: a warning, never a retry (decided 9)."""
    return _skipped(_record(command, id_=id_, now=now), command, NO_SERVER)


def settle(
    before: Notification,
    command: SendNotification,
    delivery: Delivery,
    *,
    attempt: int,
    now: datetime,
) -> tuple[Notification, datetime | None, list[StepFinished]]:
    """Decide what follows from an attempt: the record, the time of the next one, what to tell.

    A success is told when a step waits for it, a failure always: after the order was saved it
    becomes an entry of the order's errors (decided 5.5).
    """
    if delivery.fate is Fate.NOWHERE:
        after, answers = _skipped(before, command, NO_SERVER)
        return after, None, answers
    ended = delivery.handed_over and delivery.fate is not Fate.UNKNOWN
    after = before.model_copy(
        update={
            "attempts": attempt,
            "unresolved": before.unresolved - ended,
            "reason": delivery.reason,
        }
    )
    if delivery.fate is Fate.ACCEPTED:
        after = after.model_copy(update={"state": "sent", "sent": now, "reason": None})
        return after, None, [_finished(command, StepStatus.SUCCESS)] if command.answer else []
    gambled = delivery.fate is Fate.UNKNOWN and after.unresolved >= MOST_HAND_OVERS
    if delivery.fate is Fate.REFUSED or gambled or attempt > len(RETRY_AFTER):
        reason = delivery.reason or "the mail was not delivered"
        if after.unresolved:
            reason += "; it may have been delivered nevertheless"
        after, answers = _failed(after, command, reason)
        return after, None, answers
    return after, now + timedelta(seconds=RETRY_AFTER[attempt - 1]), []


def _record(command: SendNotification, *, id_: str, now: datetime) -> Notification:
    return Notification(
        id=id_,
        order_id=command.order_id,
        status=command.status,
        template=template_for(command.status, command.template),
        recipient=command.recipient,
        state="pending",
        created=now,
    )


def _skipped(
    record: Notification, command: SendNotification, reason: str
) -> tuple[Notification, list[StepFinished]]:
    skipped = record.model_copy(update={"state": "skipped", "reason": reason})
    return skipped, [_finished(command, StepStatus.WARNING, reason)] if command.answer else []


def _failed(
    record: Notification, command: SendNotification, reason: str
) -> tuple[Notification, list[StepFinished]]:
    failed = record.model_copy(update={"state": "failed", "reason": reason})
    return failed, [_finished(command, StepStatus.ERROR, reason)]


def _finished(
    command: SendNotification, status: StepStatus, reason: str | None = None
) -> StepFinished:
    return StepFinished(
        order_id=command.order_id,
        run_id=command.run_id,
        step=command.step,
        status=status,
        reason=reason,
    )
