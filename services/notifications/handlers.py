"""One function a message, and one for what became of a mail."""

from typing import Final

from contracts.messages.notifications import ForgetNotifications, SendNotification
from services.chassis.calls import Attempt, Verdict
from services.chassis.unit_of_work import UnitOfWork
from services.notifications import domain
from services.notifications.domain import Delivery, Mail, Notification

EMAIL: Final = "email"
TARGET: Final = "smtp"


def send_notification(command: SendNotification, uow: UnitOfWork) -> None:
    """Record the notification and promise its mail, unless there is nobody to write to."""
    notification, mails, answers = domain.begin(command, id_=str(uow.envelope.id), now=uow.now)
    uow.save(notification)
    for mail in mails:
        uow.call(EMAIL, mail, lane=command.order_id, target=TARGET)
    uow.send(*answers)


def skip_notification(command: SendNotification, uow: UnitOfWork) -> None:
    """Record that there is no mail server; never a retry or a dead letter (decided 9)."""
    notification, answers = domain.skip(command, id_=str(uow.envelope.id), now=uow.now)
    uow.save(notification)
    uow.send(*answers)


def forget_notifications(command: ForgetNotifications, uow: UnitOfWork) -> None:
    """Remove all that is known of mails about the order."""
    uow.delete_all(
        Notification,
        {"orderId": command.order_id},
        lambda notification: notification.order_id == command.order_id,
    )


def record_delivery(mail: Mail, delivery: Delivery, attempt: Attempt, uow: UnitOfWork) -> Verdict:
    """Keep what the mail server said; try again, or tell the workflow how it ended."""
    before = uow.find(Notification, mail.notification_id)
    if before is None:  # forgotten meanwhile
        return Verdict()
    after, again_at, answers = domain.settle(
        before, mail.command, delivery, attempt=attempt.number, now=uow.now
    )
    uow.save(after)
    uow.send(*answers)
    return Verdict(again_at=again_at, failed=delivery.is_trouble)
