"""`search`: ten typical searches with few orders and with many, beside queries written by hand."""

import socket
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from time import monotonic, perf_counter, sleep
from typing import Any, Final
from uuid import uuid4

import aiohttp
import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection

from services.api.queries.search.indexes import INDEXES
from services.chassis.mongo import CODEC
from tests.bench.machine import resident
from tests.bench.orders import created, documents
from tests.bench.places import Place, Say, brokers, free_port, kontor
from tests.bench.search_floor import NEWEST, queries

SIZES: Final = (1_000, 20_000, 200_000)
SCROLLED: Final = 100_000
VARIANTS: Final = 20_000
AT_ONCE: Final = 2_000
SAID_EVERY: Final = 20_000
SAMPLES: Final = 120
SECONDS: Final = 4.0
"""At most so many samples of a search and so long, whichever is over first."""

Json = dict[str, Any]
Ask = Callable[[], Awaitable[None]]


async def run(say: Say, *, sizes: Sequence[int] = SIZES) -> Json:
    """Fill one system step by step and search it at each size."""
    name = "search" + uuid4().hex[:6]
    environment = {"KONTOR_MONGO_DATABASE": name, "KONTOR_TOPIC_PREFIX": f"{name}."}
    rows: list[Json] = []
    async with (
        brokers(say) as stack,
        kontor(stack, [], environment=environment) as place,
        aiohttp.ClientSession() as session,
    ):
        options: CodecOptions[Json] = CODEC
        client: AsyncMongoClient[Json] = AsyncMongoClient(stack.mongo_url)
        orders = client[name].get_collection("orders", codec_options=options)
        stored = 0
        for size in sizes:
            say(f"storing {size} orders")
            await fill(say, orders, stored, size)
            stored = size
            with _floor(stack.mongo_url, name, size) as floor:
                rows += await _searched(say, session, place, floor, size)
        say("scrolling")
        rows.append(await _scrolled(session, place, orders, min(SCROLLED, stored)))
        sizes_of = await client[name].command("collstats", "orders")
        await client.close()
        memory = {"api": resident(place.pids["api"])}
    index = {one: size // 2**20 for one, size in sizes_of["indexSizes"].items()}
    return {"benchmark": "search", "rows": rows, "memory_mb": memory, "index_mb": index}


async def fill(say: Say, orders: AsyncCollection[Json], start: int, end: int) -> None:
    """Store the orders of these numbers, and build the indexes when they are all there.

    From `VARIANTS` on an order is one of the first ones with another number and other times: making
    each anew takes longer than storing it.
    """
    await orders.create_indexes(list(INDEXES))  # the api may not have come to it yet
    for index in INDEXES:
        await orders.drop_index(index.document["name"])
    variants = [_Variant(one) for one in documents(0, min(VARIANTS, end))]
    for first in range(start, end, AT_ONCE):
        last = min(first + AT_ONCE, end)
        rows = [variants[number % VARIANTS].numbered(number) for number in range(first, last)]
        await orders.insert_many(rows, ordered=False)
        if last % SAID_EVERY == 0:
            say(f"stored {last} of {end} orders")
    say(f"indexing {end} orders")
    await orders.create_indexes(list(INDEXES))


class _Variant:
    """An order as MongoDB keeps it, to be stored under other numbers."""

    def __init__(self, document: Json) -> None:
        self._raw = bson.encode(document, codec_options=CODEC)
        self._number = document["_id"].removeprefix("ORD-").encode()
        order = document["order"]
        self._begun, self._later = order["created"], order["modified"] - order["created"]

    def numbered(self, number: int) -> RawBSONDocument:
        """Return it as the order of this number: all numbers have as many digits."""
        at = created(number)
        raw = self._raw.replace(self._number, b"%07d" % number)
        raw = raw.replace(_dated("created", self._begun), _dated("created", at))
        then, now = self._begun + self._later, at + self._later
        return RawBSONDocument(raw.replace(_dated("modified", then), _dated("modified", now)))


def _dated(member: str, at: datetime) -> bytes:
    """Return a member with a date as BSON writes it."""
    return b"\x09%s\0" % member.encode() + struct.pack("<q", round(at.timestamp() * 1000))


async def _searched(
    say: Say, session: aiohttp.ClientSession, place: Place, floor: str, size: int
) -> list[Json]:
    rows = []
    for facets in (False, True):
        for name, (body, _) in queries(size).items():
            load = f"{size} orders, {name}{', facets' if facets else ''}"
            say(load)
            asked = {**body, "disableFacets": not facets}
            low, own = await _in_turn(
                _getting(session, f"{floor}/{name}", {"facets": "1"} if facets else {}),
                _posting(session, place, "/Search", asked),
            )
            rows.append(_row(load, low, own))
    return rows


async def _in_turn(first: Ask, second: Ask) -> tuple[list[float], list[float]]:
    """Return the milliseconds of each, sorted; measured by turns, so that noise hits both."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(2):
        await first()
        await second()
    end = monotonic() + SECONDS
    while len(times[0]) < SAMPLES and (monotonic() < end or len(times[0]) < 3):
        for ask, taken in zip((first, second), times, strict=True):
            start = perf_counter()
            await ask()
            taken.append((perf_counter() - start) * 1000)
    return sorted(times[0]), sorted(times[1])


def _getting(session: aiohttp.ClientSession, url: str, query: dict[str, str]) -> Ask:
    async def ask() -> None:
        async with session.get(url, params=query) as answer:
            await answer.read()
            answer.raise_for_status()

    return ask


def _posting(session: aiohttp.ClientSession, place: Place, path: str, body: Json) -> Ask:
    async def ask() -> None:
        async with session.post(place.orders + path, json=body, headers=_as(place)) as answer:
            await answer.read()
            answer.raise_for_status()

    return ask


def _as(place: Place) -> dict[str, str]:
    return {"authorization": f"Bearer {place.token}", "accept-encoding": "identity"}


def _row(load: str, low: Sequence[float], own: Sequence[float]) -> Json:
    return {
        "load": load,
        "floor": _figures(low),
        "kontor": _figures(own),
        "ratio": round(_at(low, 0.5) / _at(own, 0.5), 2),
    }


def _figures(times: Sequence[float]) -> Json:
    return {"p50_ms": round(_at(times, 0.5), 1), "p99_ms": round(_at(times, 0.99), 1)}


def _at(times: Sequence[float], share: float) -> float:
    return times[min(len(times) - 1, int(len(times) * share))]


async def _scrolled(
    session: aiohttp.ClientSession, place: Place, orders: AsyncCollection[Json], many: int
) -> Json:
    """Read so many orders by a scroll, and by a cursor of the driver alone."""
    start, read = perf_counter(), 0
    cursor = orders.find({"groups": "#live"}, {"order": 1}).sort(NEWEST).batch_size(100)
    async for _ in cursor.limit(many):
        read += 1
    raw = read / (perf_counter() - start)

    before, start, read = resident(place.pids["api"]), perf_counter(), 0
    path, body = f"{place.orders}/Scroll", {"take": 100}
    async with session.post(path, json=body, headers=_as(place)) as answer:
        scroll_id = (await answer.json())["scrollId"]
    while read < many:
        async with session.get(f"{path}/{scroll_id}", headers=_as(place)) as answer:
            text = await answer.read()
            scroll_id = answer_id(text)
            read += 100
    own = read / (perf_counter() - start)
    return {
        "load": f"{many} orders scrolled",
        "floor": {"orders_per_second": round(raw)},
        "kontor": {
            "orders_per_second": round(own),
            "grown_mb": resident(place.pids["api"]) - before,
        },
        "ratio": round(own / raw, 2),
    }


def answer_id(text: bytes) -> str:
    """Return the scroll id, which stands at the end, without reading all the orders before it."""
    return text[text.rindex(b'"scrollId":"') + 12 : text.rindex(b'"')].decode()


@contextmanager
def _floor(url: str, database: str, size: int) -> Iterator[str]:
    port = free_port()
    command = (sys.executable, "-m", "tests.bench.search_floor")
    process = subprocess.Popen((*command, url, database, str(port), str(size)))
    try:
        _until_it_listens(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _until_it_listens(port: int) -> None:
    deadline = monotonic() + 30
    while monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")
