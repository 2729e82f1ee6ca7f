"""structlog, set up once: JSON lines on standard output, values as fields, nothing personal."""

import logging
import sys
from typing import Any

import structlog
from pydantic_core import to_json


def _serialize(event: dict[str, Any], **_: object) -> bytes:
    # structlog hands over whatever was logged, hence Any; to_json writes dates and ids by itself.
    return to_json(event, fallback=str)


def set_up(*, service: str, level: str) -> None:
    """Send every log line of this process to standard output as one JSON object."""
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout, format="%(message)s")
    for noisy in ("aiokafka", "faststream", "pymongo"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
