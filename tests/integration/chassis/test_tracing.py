"""A trace follows an order through messages and calls, with spans where somebody collects them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from contracts.message import derived
from services.chassis.dead_letters import DeadLetters
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import toy
from tests.harness import Wire, running, served
from tests.integration.chassis.seen import a_counter, dead_letter, events
from tests.toy import Add

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


@dataclass
class Collector:
    """What an OTLP collector got."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    services: set[str] = field(default_factory=set)

    async def take(self, request: web.Request) -> web.Response:
        batch = ExportTraceServiceRequest.FromString(await request.read())
        for one in batch.resource_spans:
            self.services |= {
                pair.value.string_value
                for pair in one.resource.attributes
                if pair.key == "service.name"
            }
            for scope in one.scope_spans:
                self.spans += scope.spans
        return web.Response()


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """An OTLP/HTTP collector on this machine."""
    collector = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", collector.take)
    runner, collector.url = await served(app)
    yield collector
    await runner.cleanup()


class TestTrace:
    async def test_is_handed_on_where_nobody_collects(
        self, settings: ChassisSettings, wire: Wire, mongo: Database
    ) -> None:
        """Guards "W3C trace context through messages" without OpenTelemetry: events, delayed
        messages, calls and dead letters name what their cause named."""
        name = a_counter()
        sent = [
            replace(wire.sealed(one), traceparent=TRACEPARENT)
            for one in (
                Add(counter=name, call="shop"),
                Add(counter=name, after=0),
                Add(counter=name, mood="bad"),
            )
        ]
        letters = DeadLetters(mongo, wire.producer, settings.topic_prefix)
        bells = toy.bells(mongo)
        async with running(toy.service(settings, retry_delays=(), gateways=[bells])):
            await wire.producer.send(sent)
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=3)
            letter = await dead_letter(mongo, orderId=name)

        assert {event.traceparent for event in events(wire, name)} == {TRACEPARENT}
        assert {event.type for event in events(wire, name)} == {"toy.added", "toy.rung"}
        kept = await letters.get(letter["_id"])
        assert kept is not None
        assert ["ce_traceparent", TRACEPARENT.encode()] in kept["headers"]

    async def test_has_a_span_for_each_message_where_somebody_does(
        self, settings: ChassisSettings, wire: Wire, mongo: Database, collector: Collector
    ) -> None:
        """Guards "OpenTelemetry, off until an exporter is configured": a span a message, child of
        the one that it names; what it sends and calls names the new one."""
        name = a_counter()
        exporting = settings.model_copy(update={"otel_exporter_otlp_endpoint": collector.url})
        good = replace(wire.sealed(Add(counter=name, call="shop")), traceparent=TRACEPARENT)
        bad = replace(wire.sealed(Add(counter=name, mood="bad")), traceparent=TRACEPARENT)
        alone = wire.sealed(Add(counter=name))
        service = toy.service(exporting, retry_delays=(), gateways=[toy.bells(mongo)])
        async with running(service):
            await wire.producer.send([good, bad, alone])
            await wire.wait_for(toy.EVENTS, lambda event: event.key == name, count=3)

        spans = {_attribute(span, "messaging.message.id"): span for span in collector.spans}
        span = spans[str(good.id)]
        assert collector.services == {"toy"}
        assert span.name == "toy.add"
        assert span.trace_id.hex() == TRACE
        assert span.parent_span_id.hex() == "b7ad6b7169203331"
        assert _attribute(span, "kontor.outcome") == "handled"
        (added,) = {e.traceparent for e in events(wire, name) if e.id == derived(good.id, 2)}
        assert added == f"00-{TRACE}-{span.span_id.hex()}-01"
        (rung,) = {e.traceparent for e in events(wire, name) if e.type == "toy.rung"}
        assert rung == added
        assert spans[str(bad.id)].status.code == Status.STATUS_CODE_ERROR
        assert not spans[str(alone.id)].parent_span_id


def _attribute(span: Span, name: str) -> str:
    return str(next(pair.value.string_value for pair in span.attributes if pair.key == name))
