"""structlog, set up once: JSON lines on standard output, values as fields, nothing personal.

The text of an exception may quote what was handled (an address, a whole document), so a line has
an exception's type and where it came from; its text only where it is known to be harmless.
"""

import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import structlog
from aiokafka.errors import KafkaError
from pydantic_core import to_json
from pymongo.errors import ConnectionFailure
from structlog.typing import EventDict, WrappedLogger

_FRAMES = 12
_CHAIN = 4
_LONGEST_TEXT = 300


def described(error: BaseException) -> str:
    """Say in one line what went wrong and where, and nothing of what was handled."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" in {frames[-1].name} ({_place(frames[-1])})" if frames else ""
    return f"{type(error).__name__}{where}{_text(error)}"


def _text(error: BaseException) -> str:
    told = type(error).__module__.startswith("services.chassis")
    if not told and not isinstance(error, KafkaError | ConnectionFailure):
        return ""
    return f": {error}"[:_LONGEST_TEXT]


def _place(frame: traceback.FrameSummary) -> str:
    return f"{'/'.join(frame.filename.split('/')[-3:])}:{frame.lineno}"


def _story(error: BaseException) -> list[dict[str, Any]]:
    return [
        {
            "error": type(one).__name__ + _text(one),
            "at": [
                f"{_place(frame)} {frame.name}"
                for frame in traceback.extract_tb(one.__traceback__)[-_FRAMES:]
            ],
        }
        for one in _chain(error)
    ]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error, what is in it if it is a group, and what led to it."""
    cause: BaseException | None = error
    for _ in range(_CHAIN):
        if cause is None:
            return
        yield cause
        if isinstance(cause, BaseExceptionGroup):
            yield from cause.exceptions[:_CHAIN]
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)


def tell_exceptions(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Put the story of an exception in the place of the exception itself."""
    found = event.pop("exc_info", None)
    if found is True:
        found = sys.exc_info()
    if isinstance(found, tuple):
        found = found[1]
    if isinstance(found, BaseException):
        event["exception"] = _story(found)
    return event


def _serialize(event: dict[str, Any], **_: object) -> bytes:
    # structlog hands over whatever was logged, hence Any; to_json writes dates and ids by itself.
    return to_json(event, fallback=str)


class _Libraries(logging.Handler):
    """Makes lines of ours from what libraries log with the standard library."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library." + record.levelname.lower(),
            logger=record.name,
            # Further lines and an exception's text may quote anything.
            text=record.getMessage().partition("\n")[0][:_LONGEST_TEXT],
            exc_info=record.exc_info,
        )


def set_up(*, service: str, level: str) -> None:
    """Send every log line of this process to standard output as one JSON object."""
    number = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            tell_exceptions,
            structlog.processors.JSONRenderer(serializer=_serialize),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, handlers=[_Libraries()])
    for noisy in ("aiokafka", "faststream", "pymongo"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
