"""Spans for OpenTelemetry, off unless an exporter is configured.

A message names its place in a trace in `traceparent` (W3C). Without an exporter that is handed on
as it came; with one, every message handled is a span of its own, and what it sends or calls names
that span.
"""

from collections.abc import Iterable
from typing import Any

from services.chassis.works import Work, traced

FLUSHED_WITHIN_MS = 3_000


class Tracing:
    """Makes and exports the spans of one service."""

    def __init__(self, service: str, endpoint: str) -> None:
        # Imported here because it would cost every process 15 MB, and most have no use for it.
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415
            TraceContextTextMapPropagator,
        )

        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
        resource = Resource.create({"service.name": service})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("kontor")
        self._propagator = TraceContextTextMapPropagator()
        self._kind = SpanKind.CONSUMER
        self._failed = StatusCode.ERROR

    def begin(self, works: Iterable[Work]) -> None:
        """Begin a span for each message, and let what it causes name that span."""
        for work in works:
            if work.span is None:
                work.came_from = work.envelope.traceparent
            carrier = {"traceparent": work.came_from} if work.came_from else {}
            work.span = self._tracer.start_span(
                work.name,
                context=self._propagator.extract(carrier),
                kind=self._kind,
                attributes={
                    "messaging.system": "kafka",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": work.record.topic,
                    "messaging.message.id": str(work.envelope.id),
                },
            )
            traced(work, _named(work.span))

    def end(self, outcomes: Iterable[tuple[Work, str]]) -> None:
        """End the spans of these messages, those that have one."""
        for work, outcome in outcomes:
            if work.span is None:
                continue
            work.span.set_attribute("kontor.outcome", outcome)
            if outcome == "failed":
                work.span.set_status(self._failed)
            work.span.end()

    def stop(self) -> None:
        """Export what is left, for at most three seconds; blocks."""
        self._provider.force_flush(FLUSHED_WITHIN_MS)
        self._provider.shutdown()


def _named(span: Any) -> str:  # noqa: ANN401 - see Work.span
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
