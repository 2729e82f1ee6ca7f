"""Writing a comment on an order, and telling whom it is for (S0, add comment; decided 3.7)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from contracts.fields import LONGEST_LIST
from contracts.message import Message, derived
from contracts.messages.orders import AddComment, OrderCommentAdded
from contracts.messages.replies import EMPTY
from contracts.note import Comment, CommentRequest, addresses
from contracts.order import Order
from contracts.problems import FieldProblem, problem
from contracts.settings import CommentTemplate, Configuration, OrderSettings
from services.chassis.outcomes import Refused
from services.workflow.domain.changing import admitted, changed
from services.workflow.domain.notify import DISABLED, NO_SMS, mail, warned
from services.workflow.domain.order import OrderDocument, replaced
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress

_WAYS: Final = {
    (True, False): "Email",
    (False, True): "Sms",
    (True, True): "EmailAndSms",
}


def add_comment(
    document: OrderDocument | None,
    command: AddComment,
    cause: Cause,
    *,
    now: datetime,
    configuration: Configuration,
) -> Progress:
    """Add the comment to the notes of its kind, also of a read-only order (domain 3 no. 34).

    Whoever cannot be told of it is a warning among the order's errors.

    :raises Refused: unknown-comment-template, too-many-entries, and as `admitted` says
    """
    document = admitted(document, command, even_read_only=True)
    order, settings = document.order, configuration.order_settings
    request = _filled(command.request, order, settings)
    notes = "public_order_notes" if request.comment_type == "Public" else "order_notes"
    stored: Sequence[Comment] = getattr(order, notes) or ()
    if len(stored) >= LONGEST_LIST:
        raise Refused(problem("too-many-entries", errors=(_too_many(notes),)))
    comment = _comment(request, cause, now, user=command.user)
    told, messages = _told(replaced(order, **{notes: [*stored, comment]}), request, cause, now=now)
    closed = changed(
        document,
        told,
        command,
        cause,
        now=now,
        configuration=configuration,
        kinds=(OrderCommentAdded,),
        shape=EMPTY,
        is_priced=False,
    )
    return replace(closed, messages=messages)


def _too_many(notes: str) -> FieldProblem:
    name = Order.model_fields[notes].alias or notes
    message = f"expected at most {LONGEST_LIST} entries in the list {name}"
    return FieldProblem(path=name, message=message)


def _filled(request: CommentRequest, order: Order, settings: OrderSettings) -> CommentRequest:
    """Return the request with what it leaves to the settings and to the order."""
    template = _template(request, settings)
    text = _property(template, "Body") if not (request.comment or "").strip() else request.comment
    if not text:
        raise Refused(problem("unknown-comment-template", "The template has no property Body."))
    creator = request.created_by
    sender = request.sender_name
    if settings.is_use_salesperson_as_sender and request.comment_type == "Public":
        creator = creator or order.sales_person_name or order.sales_person_id
        sender = sender or order.sales_person_name
    return request.model_copy(
        update={
            "comment": text,
            "created_by": creator,
            "sender_name": sender,
            "email_subject": request.email_subject or _property(template, "Subject"),
            "email_to": request.email_to or order.customer_email,
            "sms_phone_number": request.sms_phone_number or order.customer_phone,
        }
    )


def _template(request: CommentRequest, settings: OrderSettings) -> CommentTemplate | None:
    if not request.template_name:
        return None
    wanted = request.template_name.casefold()
    for template in settings.comment_templates:
        if template.template_name.casefold() == wanted:
            return template
    names = ", ".join(one.template_name for one in settings.comment_templates) or "none"
    raise Refused(problem("unknown-comment-template", f"The templates are: {names}."))


def _property(template: CommentTemplate | None, key: str) -> str | None:
    properties = template.properties if template is not None else ()
    values = (one.value for one in properties if (one.key or "").casefold() == key.casefold())
    return next(values, None)


def _comment(request: CommentRequest, cause: Cause, now: datetime, *, user: str) -> Comment:
    way = _WAYS.get((request.send_email, request.send_sms))
    by_mail, by_sms = request.send_email, request.send_sms
    return Comment(
        id=str(derived(cause.id, "comment")),
        title=request.email_subject,
        detail=request.comment,
        type=request.comment_type,
        created=now,
        creator=request.created_by or user,
        user_id=user,
        tags=request.tags,
        delivery_method=way,
        send_notification=True if way else None,
        email_from_address=request.email_from if by_mail else None,
        email_from_name=request.sender_name if by_mail else None,
        email_recipient=request.email_to if by_mail else None,
        email_subject=request.email_subject if by_mail else None,
        sms_from=request.sender_name if by_sms else None,
        sms_recipient=request.sms_phone_number if by_sms else None,
    )


def _told(
    order: Order, request: CommentRequest, cause: Cause, *, now: datetime
) -> tuple[Order, Sequence[Message]]:
    """Write to whom the comment is for; note among the order's errors who cannot be told."""
    is_for_customer = request.comment_type == "Public"
    is_sent = request.send_email or request.send_sms
    if is_sent and is_for_customer and order.is_notifications_disabled:
        return warned(order, DISABLED, now), ()
    if request.send_sms:
        order = warned(order, NO_SMS, now)
    if not request.send_email:
        return order, ()
    letter = mail(order, cause, template="comment").model_copy(
        update={
            "market_id": request.market_id or order.market_id,
            "subject": request.email_subject,
            "text": request.comment,
            "recipient": request.email_to,
            "copies": addresses(request.email_cc),
            "blind_copies": addresses(request.email_bcc),
            "sender": request.email_from or None,
            "sender_name": request.sender_name,
        }
    )
    return order, [letter]
