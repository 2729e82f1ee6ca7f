"""Comments: whose they are, what they say, and how many there may be."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from contracts.messages.notifications import SendNotification
from contracts.messages.orders import AddComment, OrderCommentAdded
from contracts.note import Comment, CommentRequest
from contracts.settings import DEFAULT, CommentTemplate, Configuration
from services.chassis.outcomes import Refused
from services.workflow.domain.add_comment import add_comment
from services.workflow.domain.order import OrderDocument
from services.workflow.domain.place import Cause
from services.workflow.domain.run import Progress
from tests.builders import an_order

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
CAUSE = Cause(UUID(int=5), str(UUID(int=5)), 3, size=200)


def configured(**settings: object) -> Configuration:
    changed = DEFAULT.order_settings.model_copy(update=settings)
    return DEFAULT.model_copy(update={"order_settings": changed})


def commented(
    document: OrderDocument, configuration: Configuration = DEFAULT, **members: object
) -> Progress:
    request = CommentRequest.model_validate({"order_id": document.id, "comment": "Hello"} | members)
    command = AddComment(order_id=document.id, request=request, user="shop", origin="POST …")
    return add_comment(document, command, CAUSE, now=NOW, configuration=configuration)


def stored(**changes: object) -> OrderDocument:
    order = an_order(**changes)
    return OrderDocument(id=order.id, order=order, version=1)


def among(notes: list[Comment] | None) -> list[Comment]:
    return notes or []


class TestAComment:
    def test_stands_among_the_notes_of_its_kind_and_changes_nothing_else(self) -> None:
        document = stored(is_read_only=True, public_order_notes=[Comment(id="1")])

        public = commented(document)
        internal = commented(document, comment_type="Internal", created_by="Kari")

        first, second = among(public.document.order.public_order_notes)
        assert (first.id, second.detail, second.creator) == ("1", "Hello", "shop")
        (note,) = among(internal.document.order.order_notes)
        assert (note.creator, note.user_id, note.type) == ("Kari", "shop", "Internal")
        assert public.document.order.order_form == document.order.order_form
        assert public.kinds == (OrderCommentAdded,)
        assert not public.messages

    @pytest.mark.parametrize(("named", "creator"), [({}, "Ola"), ({"created_by": "Kari"}, "Kari")])
    def test_is_the_sales_persons_where_the_settings_say_so(
        self, named: dict[str, str], creator: str
    ) -> None:
        document = stored(sales_person_name="Ola")
        settings = configured(is_use_salesperson_as_sender=True)

        public = commented(document, settings, send_email=True, **named)
        internal = commented(document, settings, comment_type="Internal", **named)

        (note,) = among(public.document.order.public_order_notes)
        (letter,) = public.messages
        assert isinstance(letter, SendNotification)
        assert (note.creator, letter.sender_name) == (creator, "Ola")
        (other,) = among(internal.document.order.order_notes)
        assert other.creator == named.get("created_by", "shop")

    def test_needs_a_template_that_has_a_text(self) -> None:
        mute = CommentTemplate(template_name="Mute")
        settings = configured(comment_templates=(mute,))

        for name in ("Mute", "Gone"):
            with pytest.raises(Refused) as refused:
                commented(stored(), settings, comment=None, template_name=name)

            assert refused.value.problem.slug == "unknown-comment-template"

    def test_finds_room_for_250(self) -> None:
        full = stored(order_notes=[Comment(id=str(number)) for number in range(250)])

        with pytest.raises(Refused) as refused:
            commented(full, comment_type="Internal")

        assert refused.value.problem.slug == "too-many-entries"
        assert refused.value.problem.errors is not None
        assert "orderNotes" in refused.value.problem.errors[0].message
