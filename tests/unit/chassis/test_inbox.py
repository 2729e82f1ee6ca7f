from datetime import UTC, datetime
from uuid import UUID

import bson

from contracts.message import Envelope
from contracts.order_id import LONGEST_ID
from contracts.problems import CATALOGUE
from services.chassis import inbox
from services.chassis.inbox import Outcome
from services.chassis.mongo import CODEC

ID = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def an_envelope(data: bytes) -> Envelope:
    return Envelope(ID, "x", "t", "k", data, NOW, str(ID))


class TestMark:
    def test_stays_under_200_bytes_with_an_ordinary_id_and_the_longest_problem(self) -> None:
        slug = max(CATALOGUE, key=len)

        mark = inbox.mark(ID, batch=ID, at=NOW, outcome=Outcome(500, slug, "O" * 36, 2**40))

        assert len(bson.encode(mark, codec_options=CODEC)) < 200

    def test_grows_by_the_id_alone(self) -> None:
        small, large = (
            len(
                bson.encode(
                    inbox.mark(ID, batch=ID, at=NOW, outcome=Outcome(200, None, "O" * length, 1)),
                    codec_options=CODEC,
                )
            )
            for length in (1, LONGEST_ID)
        )

        assert large - small == LONGEST_ID - 1


class TestOutbox:
    def test_is_one_document_unless_it_would_pass_8_mb(self) -> None:
        small = inbox.outbox(ID, [an_envelope(b"x")] * 250, at=NOW)
        large = inbox.outbox(ID, [an_envelope(bytes(3 * 2**20))] * 6, at=NOW)

        assert [one["_id"]["n"] for one in small] == [0]
        assert [one["_id"]["n"] for one in large] == [0, 1, 2]
