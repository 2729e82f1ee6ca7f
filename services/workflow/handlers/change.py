"""Changes of an order without a run: each is its rule, and all end alike."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TypeVar

from contracts.messages.orders import ChangeCommand
from contracts.settings import Configuration
from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from services.workflow.handlers.conclude import cause, keep

AnyChange = TypeVar("AnyChange", bound=ChangeCommand)
Change_contra = TypeVar("Change_contra", bound=ChangeCommand, contravariant=True)


class Rule(Protocol[Change_contra]):
    """What a change makes of an order."""

    def __call__(
        self,
        document: OrderDocument | None,
        command: Change_contra,
        cause: Cause,
        *,
        now: datetime,
        configuration: Configuration,
    ) -> Progress:
        """Return the changed order, or raise Refused."""


def changing(rule: Rule[AnyChange]) -> Callable[[AnyChange, UnitOfWork], None]:
    """Return the handler of a command that changes an order by this rule, without a run."""

    def change(command: AnyChange, uow: UnitOfWork) -> None:
        existing = uow.find(OrderDocument, command.order_id)
        progress = rule(existing, command, cause(uow), now=uow.now, configuration=uow.configuration)
        keep(progress, existing, uow)

    return change
