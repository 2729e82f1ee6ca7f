"""The subscription that feeds the consumer, by FastStream.

Why FastStream only delivers batches here and never acknowledges:
services/decisions/0001-one-batch-one-transaction.md. Who only sends does without this module and
its 13 MB.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from aiokafka import AIOKafkaConsumer
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from services.chassis.kafka import MAX_MESSAGE, Records
from services.chassis.settings import ChassisSettings


def broker(settings: ChassisSettings) -> KafkaBroker:
    """Return the connection that subscribers share."""
    return KafkaBroker(
        settings.kafka_bootstrap,
        security=_security(settings),
        logger=None,
        consumer_only=True,
        allow_auto_create_topics=False,
        graceful_timeout=15,
    )


def _security(settings: ChassisSettings) -> BaseSecurity | None:
    arguments = settings.kafka_arguments()
    context: Any = arguments.get("ssl_context")  # Any: faststream takes an SSLContext or None
    if settings.kafka_security_protocol in {"PLAINTEXT", "SSL"}:
        return BaseSecurity(ssl_context=context) if context else None
    kinds = {
        "PLAIN": SASLPlaintext,
        "SCRAM-SHA-256": SASLScram256,
        "SCRAM-SHA-512": SASLScram512,
    }
    return kinds[settings.kafka_security_sasl_mechanism](
        username=settings.kafka_security_username,
        password=settings.kafka_security_password.get_secret_value(),
        ssl_context=context,
        use_ssl=context is not None,
    )


async def _handle_nothing(_: object) -> None:
    """Stand in for a handler, without which FastStream does not read; see `subscribe`."""


class Reader(Protocol):
    """Who reads what a service listens to, and hears of rebalances."""

    async def read(self, kafka: AIOKafkaConsumer) -> Records:
        """Wait for records and return a batch of them, or nothing after a while."""

    async def receive(self, records: Records) -> None:
        """Handle what `read` returned."""


def subscribe(
    broker: KafkaBroker,
    *,
    settings: ChassisSettings,
    group: str,
    topics: Sequence[str],
    reader: Reader,
) -> None:
    """Have the reader read `topics`, a batch at a time, and commit nothing for it.

    It gets the records of each partition in order and commits offsets itself. FastStream runs the
    loop and starts it anew if `receive` raises; the batch would be lost, so it must not.
    """
    subscriber = broker.subscriber(
        *(settings.topic_prefix + topic for topic in topics),
        group_id=settings.topic_prefix + group,
        group_instance_id=settings.instance or None,
        batch=True,
        ack_policy=AckPolicy.MANUAL,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=MAX_MESSAGE,
        session_timeout_ms=15_000,
        listener=reader,
    )
    # FastStream's own way of reading waits and sleeps in turns: long turns delay what comes during
    # the sleep, short ones cost an idle service 4 % of a core. Its own way of handing over parses
    # the records first, and throws a whole batch away for one header that is not UTF-8.
    subscriber.get_msg = reader.read  # type: ignore[method-assign,assignment] # see above
    subscriber.consume_one = reader.receive  # type: ignore[method-assign,assignment] # see above
    subscriber(_handle_nothing)
