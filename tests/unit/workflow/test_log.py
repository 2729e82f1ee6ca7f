"""What is told of an order besides its events."""

from datetime import UTC, datetime, timedelta

import pytest

from contracts.messages.orders import WriteLog
from services.workflow.domain.log import NoSuchOrder, ignored, left_alone, write_log
from services.workflow.domain.order import Run
from tests.builders import the_reference_order
from tests.unit.workflow.kept import CAUSE, LATER, kept

WHO = {"user": "shop", "origin": "POST /api/Orders/AddMany"}


def a_run(*unknown: str) -> Run:
    return Run(
        id="r", command_id="c", status="New", since=LATER, ignored_fields=unknown or None, **WHO
    )


class TestLog:
    def test_keeps_what_others_did_with_the_order(self) -> None:
        said = WriteLog(
            order_id="ORD-2024-000001",
            at=datetime(2026, 11, 21, 12, tzinfo=UTC),
            operation_id=110103,
            category="Exported",
            message="The order was exported to erp",
            is_error=True,
            **WHO,
        )

        entry = write_log(kept(the_reference_order()), said, CAUSE)
        later = said.model_copy(update={"at": said.at + timedelta(milliseconds=1)})

        assert entry.model_dump(exclude={"id", "revision"}) == said.model_dump()
        assert entry.id < write_log(kept(the_reference_order()), later, CAUSE).id
        with pytest.raises(NoSuchOrder):
            write_log(None, said, CAUSE)

    def test_says_that_a_batch_left_an_order_alone_and_nothing_of_a_lone_request(self) -> None:
        document = kept(the_reference_order())

        (told,) = left_alone(document, "BatchAdd", CAUSE, now=LATER, **WHO)

        assert (told.order_id, told.category, told.at) == (document.id, "BatchAdd", LATER)
        assert list(left_alone(document, None, CAUSE, now=LATER, **WHO)) == []
        assert list(left_alone(None, "BatchAdd", CAUSE, now=LATER, **WHO)) == []

    def test_names_what_nobody_knew_of_a_change_the_first_fifty(self) -> None:
        (few,) = ignored(a_run("colour", "a.b"), "O", CAUSE, now=LATER)
        (many,) = ignored(a_run(*(f"m{n}" for n in range(60))), "O", CAUSE, now=LATER)

        assert few.message.endswith("ignored: colour, a.b")
        assert many.message.endswith("m49 and 10 more")
        assert list(ignored(a_run(), "O", CAUSE, now=LATER)) == []
