"""Changes that clients make to an order: each is its rule, and all end alike."""

from collections.abc import Callable

from services.chassis.unit_of_work import UnitOfWork
from services.workflow.domain.changing import AnyChange, Rule
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.validate import validator_for
from services.workflow.handlers.conclude import cause, keep
from services.workflow.handlers.validate import ask


def changing(rule: Rule[AnyChange]) -> Callable[[AnyChange, UnitOfWork], None]:
    """Return the handler of a command that changes an order by this rule."""

    def change(command: AnyChange, uow: UnitOfWork) -> None:
        existing = uow.find(OrderDocument, command.order_id)
        progress = rule(existing, command, cause(uow), now=uow.now, configuration=uow.configuration)
        keep(progress, existing, uow)

    return change


def validating(rule: Rule[AnyChange]) -> Callable[[AnyChange, UnitOfWork], None]:
    """Return the same, but for the order validator, who is asked first where there is one."""
    change = changing(rule)

    def change_validated(command: AnyChange, uow: UnitOfWork) -> None:
        existing = uow.find(OrderDocument, command.order_id)
        validator = validator_for(existing, uow.configuration)
        waits = (
            existing is not None
            and validator is not None
            and ask(rule, command, existing, validator, uow)
        )
        if not waits:
            change(command, uow)

    return change_validated
