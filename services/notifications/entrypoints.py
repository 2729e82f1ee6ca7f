"""The table of this service: what it handles, and how its calls are made and recorded."""

from contracts.messages.notifications import ForgetNotifications, SendNotification
from services.chassis.calls import Gateway, Limits
from services.chassis.consumer import Table
from services.chassis.unit_of_work import Route
from services.notifications import handlers
from services.notifications.domain import Delivery, Mail, Notification
from services.notifications.gateways import CONNECTIONS, Mailer


def table(*, mail_server: bool) -> Table:
    """Return who handles what; without a mail server every notification is skipped."""
    handler = handlers.send_notification if mail_server else handlers.skip_notification
    return {
        SendNotification: Route(SendNotification, handler),
        ForgetNotifications: Route(ForgetNotifications, handlers.forget_notifications),
    }


def gateway(mailer: Mailer) -> Gateway[Mail, Delivery]:
    """Return the one kind of call: a mail, in lanes by order."""
    return Gateway(
        kind=handlers.EMAIL,
        request=Mail,
        call=mailer.send,
        record=handlers.record_delivery,
        loads=lambda mail: [(Notification, mail.notification_id)],
        limits=lambda _: Limits(concurrency=CONNECTIONS),
    )
