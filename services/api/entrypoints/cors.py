"""Which pages of other origins may call the api from a browser (Fetch standard; off by default).

Tokens travel in a header that pages set themselves, so no credentials of the browser are let in.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from services.api.entrypoints.response import Header, Response

_ANY: Final = b"*"
_SENT: Final = b", ".join(
    (
        b"authorization",
        b"content-type",
        b"idempotency-key",
        b"if-match",
        b"if-none-match",
        b"prefer",
        b"traceparent",
    )
)
_SHOWN: Final = b", ".join(
    (
        b"allow",
        b"content-disposition",
        b"etag",
        b"existing-orders",
        b"idempotency-replayed",
        b"ignored-fields",
        b"location",
        b"retry-after",
        b"www-authenticate",
    )
)
_REMEMBERED: Final = b"600"


class Cors:
    """Tells browsers which origins are welcome."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def allow(self, sent: Mapping[bytes, bytes], response: Response) -> None:
        """Let the page that sent these headers read the answer, if its origin is welcome."""
        response.vary(b"origin")
        origin = sent.get(b"origin")
        if origin is None or not self._origins & {origin, _ANY}:
            return
        given: list[Header] = [(b"access-control-allow-origin", origin)]
        if b"access-control-request-method" in sent:
            methods = next((text for name, text in response.headers if name == b"allow"), b"")
            given += [
                (b"access-control-allow-methods", methods),
                (b"access-control-allow-headers", _SENT),
                (b"access-control-max-age", _REMEMBERED),
            ]
        else:
            given.append((b"access-control-expose-headers", _SHOWN))
        response.headers = [*response.headers, *given]
