"""Comments: written down, and sent to whom they are for."""

from collections.abc import AsyncIterator

import pytest

from services.api.entrypoints.documentation.examples import example_of
from tests.harness import until
from tests.journeys.world import World, an_order

PATH = "/api/Orders/AddComment"


class TestAComment:
    async def test_is_a_note_that_the_customer_gets_by_mail(self, world: World) -> None:
        order = await world.placed(an_order())
        example = example_of("POST", PATH) | {"orderId": order["id"]}

        answer = await world.shop("POST", PATH, example)

        assert (answer.status, answer.headers["etag"]) == (200, '"2"')
        found = await world.read(order["id"])
        (note,) = found["publicOrderNotes"]
        assert note["detail"] == example["comment"]
        assert (note["type"], note["deliveryMethod"]) == ("Public", "Email")
        assert (note["creator"], note["emailRecipient"]) == ("owner", order["customerEmail"])
        assert note["created"] == found["modified"]
        assert "errors" not in found or found["errors"] == order.get("errors")
        event = (await world.events_up_to(order["id"], 2))[-1]
        assert event.type == "order.comment_added"
        told = (await world.hooks_up_to(order["id"], 2))[-1].json["data"]
        assert told["category"] == "Comment"
        mail = (await world.mails(order["customerEmail"], 2))[-1]
        assert example["comment"] in mail.part("plain")
        assert example["comment"] in mail.part("html")
        await world.quiet()
        assert len(await world.mails(order["customerEmail"], 2)) == 2
        assert await world.read(order["id"]) == found

    async def test_among_colleagues_is_for_their_eyes_also_on_a_read_only_order(
        self, world: World
    ) -> None:
        order = await world.placed(an_order(isReadOnly=True))
        body = {
            "orderId": order["id"],
            "commentText": "Ask the carrier.\nThey lost it.",
            "commentType": "Internal",
            "createdBy": "Kari",
            "tags": ["carrier"],
            "sendEmail": True,
            "emailTo": "desk@shop.example",
            "emailCc": "boss@shop.example; second@shop.example",
            "emailFrom": "kari@shop.example",
            "emailSubject": "Lost",
            "senderName": "Kari Nordmann",
        }

        answer = await world.shop("POST", PATH, body)
        to_whom = await world.shop("POST", PATH, {**body, "emailTo": None})

        assert answer.status == 200
        (note,) = (await world.read(order["id"]))["orderNotes"]
        assert (note["detail"], note["creator"], note["tags"]) == (
            body["commentText"],
            "Kari",
            ["carrier"],
        )
        assert "publicOrderNotes" not in await world.read(order["id"])
        everybody = ["desk@shop.example", "boss@shop.example", "second@shop.example"]
        await until(lambda: any(one.recipients == everybody for one in world.mail.kept), within=30)
        (kept,) = (one for one in world.mail.kept if one.recipients == everybody)
        assert kept.mail["Subject"] == "Lost"
        assert kept.mail["From"] == "Kari Nordmann <kari@shop.example>"
        assert kept.mail["Sender"] == "shop@shop.example"
        assert kept.mail["Cc"] == "boss@shop.example, second@shop.example"
        assert "Ask the carrier.\nThey lost it." in kept.part("plain").replace("\r\n", "\n")
        assert (to_whom.status, [one["path"] for one in to_whom.json["errors"]]) == (
            400,
            ["emailTo"],
        )

    async def test_that_cannot_be_sent_says_so_on_the_order(self, world: World) -> None:
        sms = await world.placed(an_order())
        silent = await world.placed(an_order(isNotificationsDisabled=True))
        odd = await world.placed(an_order())
        text = {"comment": "On its way."}

        by_sms = await world.shop("POST", PATH, {**text, "orderId": sms["id"], "sendSms": True})
        to_none = await world.shop(
            "POST", PATH, {**text, "orderId": silent["id"], "sendEmail": True}
        )
        nowhere = {"sendEmail": True, "emailTo": "kari@-nowhere-"}
        to_nowhere = await world.shop("POST", PATH, {**text, "orderId": odd["id"], **nowhere})

        assert {by_sms.status, to_none.status, to_nowhere.status} == {200}
        found = await world.read(sms["id"])
        (warning,) = (one for one in found["errors"] if one["key"] == "notification")
        assert (warning["severity"], warning["message"]) == (
            "Warning",
            "the SMS was not sent: no SMS gateway is configured",
        )
        assert [one["message"] for one in (await world.read(silent["id"]))["errors"]][-1] == (
            "notifications are disabled for this order"
        )
        await world.events_up_to(odd["id"], 3)
        last = (await world.read(odd["id"]))["errors"][-1]
        assert (last["severity"], "e-mail address" in last["message"]) == ("Error", True)

    async def test_of_no_order_or_without_a_word_is_refused(self, world: World) -> None:
        nobody = await world.shop("POST", PATH, {"orderId": "nobody", "comment": "Hello"})
        empty = await world.shop("POST", PATH, {"orderId": "nobody", "comment": " "})
        several = {"commentType": "Secret", "emailTo": "nobody", "emailCc": "a@b, c"}
        faulty = await world.shop("POST", PATH, several)

        assert (nobody.status, nobody.problem) == (404, "order-not-found")
        assert (empty.status, [one["path"] for one in empty.json["errors"]]) == (400, ["comment"])
        assert {one["path"] for one in faulty.json["errors"]} >= {
            "orderId",
            "commentType",
            "emailTo",
            "emailCc",
        }


@pytest.fixture
async def _templates(world: World) -> AsyncIterator[None]:
    settings = {
        "isUseSalespersonAsSender": True,
        "commentTemplates": [
            {
                "templateName": "OrderDelayed",
                "properties": [
                    {"name": "Subject", "value": "Update on your order"},
                    {"name": "Body", "value": "We're sorry, but your order has been delayed."},
                ],
            }
        ],
    }
    await world.configure("OrderSettings", settings)
    yield
    await world.configure("OrderSettings", {})


class TestATemplate:
    @pytest.mark.usefixtures("_templates")
    async def test_has_the_text_and_the_sales_person_signs(self, world: World) -> None:
        order = await world.placed(an_order(salesPersonName="Ola Nordmann"))
        body = {"orderId": order["id"], "templateName": "orderdelayed", "sendEmail": True}

        answer = await world.shop("POST", PATH, body)
        unknown = await world.shop("POST", PATH, {**body, "templateName": "Gone"})

        assert answer.status == 200
        (note,) = (await world.read(order["id"]))["publicOrderNotes"]
        assert note["detail"] == "We're sorry, but your order has been delayed."
        assert (note["title"], note["creator"]) == ("Update on your order", "Ola Nordmann")
        mail = (await world.mails(order["customerEmail"], 2))[-1].mail
        assert mail["Subject"] == "Update on your order"
        assert mail["From"] == "Ola Nordmann <shop@shop.example>"
        assert (unknown.status, unknown.problem) == (400, "unknown-comment-template")
