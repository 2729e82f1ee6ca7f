"""An HTTP request as routes see it."""

import json
import re
import secrets
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Final, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

from contracts.faults import FieldError, Invalid
from contracts.model import Parsed, parse
from contracts.problems import FieldProblem
from contracts.reading import load
from services.api.domain import Client, Origin, Refusal, refusal
from services.api.entrypoints.limits import Slot
from services.chassis.health import Receive, Scope
from services.chassis.ids import new_id

T = TypeVar("T")

_JSON: Final = re.compile(r"(application|text)/(json|[\w.+*-]+\+json)\s*(;|$)", re.IGNORECASE)
_NOT_UTF8: Final = re.compile(r".*;\s*charset\s*=\s*+(?!\"?utf-?8\b)", re.IGNORECASE)
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_LONGEST_KEY: Final = 255
_LONG: Final = 64 * 1024
_IDEMPOTENCY_KEY: Final = re.compile(rf"[\x20-\x7e]{{1,{_LONGEST_KEY}}}")


class Request:
    """One request; `client` is who sends it, once that is known.

    `path` is the route's, with its parameters' names in braces. `id` is the same each time that a
    request with an Idempotency-Key comes, and None without one; `once` sees to it.
    """

    __slots__ = (
        "_raw",
        "_receive",
        "client",
        "headers",
        "id",
        "limit",
        "method",
        "parameters",
        "path",
        "scope",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        path: str,
        parameters: Mapping[str, str],
        limit: int,
    ) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path = path
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.parameters = parameters
        self.limit = limit
        self.client = NOBODY
        self.id: UUID | None = None
        self._receive = receive
        self._raw: bytes | None = None

    def header(self, name: str) -> str | None:
        """Return a header; of several with this name the last."""
        found = self.headers.get(name.encode())
        return None if found is None else found.decode("latin-1").strip()

    def query(self) -> dict[str, list[str]]:
        """Return the values of each query parameter, names in lower case."""
        values: dict[str, list[str]] = {}
        text = self.scope["query_string"].decode("latin-1")
        for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
            values.setdefault(name.casefold(), []).append(value)
        return values

    async def arrive(self, slot: Slot) -> None:
        """Read the whole body, as it came, and count the request as under way.

        A body that is still on its way does not count, so that slow clients take nobody's place;
        one that is long counts from its beginning on, so that those together have a limit.

        :raises Refusal: too-large, or too-many-requests
        """
        if b"content-length" in self.headers or b"transfer-encoding" in self.headers:
            self._raw = await self._read(slot)
        slot.take()

    async def body(self) -> bytes:
        """Return the whole body, decompressed.

        :raises Refusal: too-large, when it passes the limit; unsupported-media-type for an encoding
            other than gzip; validation-failed when it is no gzip at all
        """
        encoding = self.headers.get(b"content-encoding", b"identity").lower()
        raw = self._raw
        if raw is None:
            raw = self._raw = await self._read()
        if encoding == b"identity" or not raw:
            return raw
        if encoding not in {b"gzip", b"x-gzip"}:
            raise refusal("unsupported-media-type", "Of the encodings only gzip is understood.")
        return self._unzipped(raw)

    async def _read(self, slot: Slot | None = None) -> bytes:
        length = self.headers.get(b"content-length")
        if length is not None and int(length) > self.limit:
            raise self._too_large()
        message = await self._receive()
        first: bytes = message.get("body", b"")
        size = len(first)
        if size > self.limit:
            raise self._too_large()
        parts = [first]
        while message.get("more_body"):
            if slot is not None and size > _LONG:
                slot.take()
            message = await self._receive()
            part: bytes = message.get("body", b"")
            size += len(part)
            if size > self.limit:
                raise self._too_large()
            parts.append(part)
        if message["type"] == "http.disconnect":
            raise refusal("malformed-json", "The connection ended before the body did.")
        return b"".join(parts) if len(parts) > 1 else first

    async def left(self) -> None:
        """Return when the client is there no more; call it only once the body is read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass  # whatever else comes after the body is nothing to us

    def _unzipped(self, raw: bytes) -> bytes:
        reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        try:
            text = reader.decompress(raw, self.limit + 1)
        except zlib.error as error:
            fault = FieldProblem(path="$", message="expected gzip, as Content-Encoding says")
            raise refusal("validation-failed", errors=[fault]) from error
        if len(text) > self.limit:
            raise self._too_large()
        if not reader.eof:
            fault = FieldProblem(path="$", message="expected the whole of the gzip stream")
            raise refusal("validation-failed", errors=[fault])
        return text

    def _too_large(self) -> Refusal:
        return refusal("too-large", f"Send at most {self.limit} bytes in one request.")

    async def json(self) -> bytes:
        """Read a body that is declared as JSON, or not declared at all.

        :raises Refusal: unsupported-media-type, or as `body` does
        """
        kind = self.headers.get(b"content-type")
        if kind is not None and kind != b"application/json":
            text = kind.decode("latin-1")
            if not _JSON.match(text) or _NOT_UTF8.match(text):
                raise refusal("unsupported-media-type")
        return await self.body()

    async def parsed(
        self,
        model_type: type[T],
        *,
        strict: bool = False,
        optional: bool = False,
        context: Mapping[str, object] | None = None,
    ) -> tuple[Parsed[T], bytes]:
        """Read the body as a model; returns it and the body as it came.

        :param strict: whether members that nobody knows are refused (decided 2.8)
        :param optional: whether no body is as good as an empty object
        :param context: what validators may ask for, such as `{"pos": True}`
        :raises Refusal: validation-failed or malformed-json, naming every fault
        """
        # No body is of no media type either, whatever a client library says.
        raw = await self.json() if await self.body() or not optional else b""
        try:
            parsed = parse(model_type, raw or b"{}" if optional else raw, context=context)
        except Invalid as invalid:
            raise refused(invalid, raw) from invalid
        if strict and parsed.ignored:
            message = "is no member that is known here"
            faults = [FieldProblem(path=path, message=message) for path in parsed.ignored]
            raise refusal("validation-failed", errors=faults)
        return parsed, raw

    @property
    def token(self) -> bytes:
        """The header that says who sends it; of the processes of a client each has its own."""
        return self.headers.get(b"authorization", b"")

    @property
    def wants_to_leave(self) -> bool:
        """Whether the client asked not to wait: among its preferences, not in one (RFC 7240)."""
        preferences = self.headers.get(b"prefer", b"").lower().split(b",")
        return any(one.partition(b";")[0].strip() == b"respond-async" for one in preferences)

    def origin(self, raw: bytes, *, may_leave: bool = True) -> Origin:
        """Return what a command needs to know of this request.

        :raises Refusal: validation-failed, for an Idempotency-Key that cannot be one
        """
        key = self.header("idempotency-key")
        if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
            message = f"expected 1 to {_LONGEST_KEY} printable ASCII characters"
            fault = FieldProblem(path="Idempotency-Key", message=message)
            raise refusal("validation-failed", errors=[fault])
        return Origin(
            client=self.client.id,
            command=new_id(),
            traceparent=self._traceparent(),
            respond_async=may_leave and self.wants_to_leave,
            key=key,
            fingerprint=b"" if key is None else self._fingerprint(raw),
        )

    def _traceparent(self) -> str:
        sent = self.header("traceparent")
        if sent is not None and _TRACEPARENT.fullmatch(sent):
            return sent
        word = secrets.token_hex(24)
        return f"00-{word[:32]}-{word[32:]}-01"

    def _fingerprint(self, raw: bytes) -> bytes:
        """Return what is equal for requests that mean the same (decided 10.1)."""
        where = (self.method, self.path, self.parameters, sorted(self.query().items()))
        canonical = ""
        if raw:
            canonical = json.dumps(json.loads(raw, parse_int=float), sort_keys=True)
        return sha256(f"{where!r}\n{canonical}".encode()).digest()


NOBODY: Final = Client("", frozenset(), frozenset(), frozenset(), 0)


def refused(invalid: Invalid, raw: bytes) -> Refusal:
    """Return the refusal of a body that is no JSON, or not what was expected."""
    slug = "validation-failed"
    if any(error.path == "$" for error in invalid.errors):
        try:
            load(raw)
        except Invalid:
            slug = "malformed-json"
    return refusal(slug, errors=map(named, invalid.errors))


def named(error: FieldError) -> FieldProblem:
    """Return a fault as a problem names it."""
    return FieldProblem(path=error.path, message=error.message, got=error.got)
