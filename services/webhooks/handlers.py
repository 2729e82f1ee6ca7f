"""One function a message, and one for what became of an attempt."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from pydantic_core import to_json

from contracts.messages.replies import Reply
from contracts.messages.webhooks import (
    CatchUp,
    ChangeWebhookEndpoint,
    CreateWebhookEndpoint,
    DeleteWebhookEndpoint,
    DisableWebhookEndpoint,
    EnableWebhookEndpoint,
    ForgetDeliveries,
    RedeliverDelivery,
    RedeliverEvents,
    RotateWebhookSecret,
    SendTestEvent,
)
from services.chassis.calls import Attempt, Verdict
from services.chassis.http import forbidden_literal
from services.chassis.inbox import Outcome
from services.chassis.settings import Network
from services.chassis.unit_of_work import UnitOfWork
from services.webhooks.domain import attempt as attempts
from services.webhooks.domain import change, redeliver, test
from services.webhooks.domain import delivery as deliveries
from services.webhooks.domain import endpoint as endpoints
from services.webhooks.domain.attempt import NotSent, Result
from services.webhooks.domain.change import Changed
from services.webhooks.domain.delivery import DeliverWebhook, Lanes, Planned, WebhookDelivery
from services.webhooks.domain.endpoint import Heard, WebhookEndpoint
from services.webhooks.domain.redeliver import Look, Looked

WEBHOOK: Final = "webhook"
REDELIVERY: Final = "redelivery"
AFTERWARDS: Final = timedelta(minutes=1)


def create_webhook_endpoint(
    command: CreateWebhookEndpoint, uow: UnitOfWork, *, allowed: tuple[Network, ...]
) -> None:
    """Store the endpoint, and show its secret this once."""
    endpoint = endpoints.create(
        uow.find(WebhookEndpoint, command.endpoint_id),
        command,
        forbidden=forbidden_literal(command.settings.url, allowed),
        now=uow.now,
    )
    uow.save(endpoint)
    uow.reply(201, body=endpoints.answer(endpoint, secret=command.secret))


def delete_webhook_endpoint(command: DeleteWebhookEndpoint, uow: UnitOfWork) -> None:
    """Remove the endpoint; what waits to be sent to it is woken to find out that it is gone."""
    endpoint = change.own(uow.find(WebhookEndpoint, command.endpoint_id), command)
    uow.delete(endpoint)
    uow.wake(endpoint.id)
    uow.reply(204)


def change_webhook_endpoint(
    command: ChangeWebhookEndpoint, uow: UnitOfWork, *, allowed: tuple[Network, ...]
) -> None:
    """Change the settings."""
    changed = change.change(
        uow.find(WebhookEndpoint, command.endpoint_id),
        command,
        forbidden=command.url and forbidden_literal(command.url, allowed),
        now=uow.now,
    )
    _keep(changed, uow)


def rotate_webhook_secret(command: RotateWebhookSecret, uow: UnitOfWork) -> None:
    """Let a new secret sign, and show it this once."""
    known = uow.find(WebhookEndpoint, command.endpoint_id)
    endpoint, secret = change.rotate(known, command, rotation=str(uow.envelope.id), now=uow.now)
    uow.save(endpoint)
    uow.reply(200, body=endpoints.answer(endpoint, secret=secret))


def enable_webhook_endpoint(command: EnableWebhookEndpoint, uow: UnitOfWork) -> None:
    """Send to the endpoint again."""
    known = uow.find(WebhookEndpoint, command.endpoint_id)
    _keep(change.enable(known, command, now=uow.now), uow)


def disable_webhook_endpoint(command: DisableWebhookEndpoint, uow: UnitOfWork) -> None:
    """Leave the endpoint alone."""
    known = uow.find(WebhookEndpoint, command.endpoint_id)
    _keep(change.disable(known, command, now=uow.now), uow)


def _keep(changed: Changed, uow: UnitOfWork) -> None:
    uow.save(changed.endpoint)
    uow.send(*changed.news)
    for id_ in changed.opened:
        uow.wake(id_)
    for id_ in changed.behind:
        _look(Look(endpoint_id=id_), uow)
        # What was on its way when it was enabled is perhaps written down as missed only now.
        uow.send(CatchUp(endpoint_id=id_), not_before=uow.now + AFTERWARDS)
    uow.reply(200, body=endpoints.answer(changed.endpoint))


def catch_up(message: CatchUp, uow: UnitOfWork) -> None:
    """Look for what the endpoint has missed, and for what waits although it need not."""
    uow.wake(message.endpoint_id)
    _look(Look(endpoint_id=message.endpoint_id), uow)


def send_test_event(command: SendTestEvent, uow: UnitOfWork) -> None:
    """Promise the endpoint one attempt at an event that tests it."""
    known = uow.find(WebhookEndpoint, command.endpoint_id)
    planned = test.planned_test(known, command, id_=str(uow.envelope.id), now=uow.now)
    uow.save(planned.delivery)
    _call([planned], uow)
    uow.reply(202, body=to_json({"deliveryId": planned.delivery.id}))


def redeliver_events(command: RedeliverEvents, uow: UnitOfWork) -> None:
    """Begin to look for the deliveries, page by page."""
    known = uow.find(WebhookEndpoint, command.endpoint_id)
    _look(redeliver.asked_for(known, command, id_=uow.envelope.id), uow)
    _promise(command.count, uow)


def redeliver_delivery(command: RedeliverDelivery, uow: UnitOfWork) -> None:
    """Make one delivery again."""
    known = uow.find(WebhookEndpoint, command.endpoint_id)
    delivery = uow.find(WebhookDelivery, command.delivery_id)
    _look(redeliver.asked_for_one(known, delivery, command, id_=uow.envelope.id), uow)
    _promise(1, uow)


def _look(look: Look, uow: UnitOfWork) -> None:
    uow.call(REDELIVERY, look, lane=look.lane, target=REDELIVERY)


def _promise(count: int, uow: UnitOfWork) -> None:
    """Answer that it has begun; the last look says that it is over."""
    command = uow.envelope.correlation_id
    body = to_json({"count": count, "operationId": command})
    reply = Reply(command_id=command, status_code=202)
    uow.answer(reply, body=body, reply_to=uow.envelope.reply_to)


def record_look(look: Look, looked: Looked, _: Attempt, uow: UnitOfWork) -> Verdict:
    """Promise the deliveries that were found, and look on behind them."""
    again = redeliver.again(
        uow.find(WebhookEndpoint, look.endpoint_id),
        look,
        looked,
        {subject: uow.find(Lanes, subject) for subject in looked.subjects},
        now=uow.now,
    )
    for delivery_id, update in again.updates:
        uow.patch(WebhookDelivery, delivery_id, update)
    _call(again.calls, uow)
    for lanes in again.lanes:
        uow.save(lanes)
    for following in again.looks:
        _look(following, uow)
    for told in again.settled:
        uow.settle(told.command, Outcome(told.status, told.problem))
    return Verdict()


def _call(planned: Sequence[Planned], uow: UnitOfWork) -> None:
    for one, body in deliveries.promised(planned):
        uow.call(WEBHOOK, one.request, lane=one.lane, target=one.target, payload=body)


def fan_out(event: Heard, uow: UnitOfWork) -> None:
    """Promise the event to every endpoint that wants it."""
    interested = deliveries.interested(event, uow.envelope, uow.all(WebhookEndpoint))
    planned, lanes = deliveries.plan(
        event,
        uow.envelope,
        endpoints=interested,
        lanes=uow.find(Lanes, event.subject),
        now=uow.now,
    )
    for one in planned:
        uow.save(one.delivery)
    _call(planned, uow)
    uow.save(lanes)
    for look in redeliver.still_behind(planned, interested):
        _look(look, uow)


def forget_deliveries(command: ForgetDeliveries, uow: UnitOfWork) -> None:
    """Remove the records of all deliveries about the order but the last."""
    uow.delete_all(
        WebhookDelivery,
        {"orderId": command.order_id, "sequence": {"$lte": command.last_sequence}},
        lambda one: one.order_id == command.order_id and one.sequence <= command.last_sequence,
    )


def record_attempt(
    request: DeliverWebhook, result: Result | NotSent, attempt: Attempt, uow: UnitOfWork
) -> Verdict:
    """Keep the attempt, and say when the next one is."""
    judgement = attempts.taken(
        request, result, number=attempt.number, now=uow.now
    ) or attempts.judge(
        uow.find(WebhookEndpoint, request.endpoint_id),
        request,
        result,
        number=attempt.number,
        key=attempt.key,
        now=uow.now,
    )
    uow.patch(WebhookDelivery, request.delivery_id, judgement.update)
    for endpoint in judgement.endpoints:
        uow.save(endpoint)
    uow.send(*judgement.news)
    return Verdict(
        again_at=judgement.again_at,
        failed=judgement.is_failure,
        quiet_until=judgement.quiet_until,
        postponed=judgement.is_postponed,
    )
