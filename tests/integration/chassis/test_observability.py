"""What an operator sees: one line a message, numbers and health."""

from collections.abc import AsyncIterator
from dataclasses import replace

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic_core import from_json

from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests.harness import Wire, until
from tests.integration.chassis.process import Process, process
from tests.integration.chassis.seen import a_counter, dead_letter
from tests.toy import Add

NOTE = "kari@example.no"


@pytest.fixture(scope="module")
async def busy(
    settings: ChassisSettings, wire: Wire, mongo: Database
) -> AsyncIterator[tuple[Process, dict[str, str]]]:
    """A process that has handled, refused, ignored, repeated and buried; and the ids by mood."""
    sent = {
        mood: wire.sealed(Add(counter=a_counter(), mood=mood, note=NOTE), reply_to=1)
        for mood in ("good", "no", "late", "bad")
    }
    async with process(settings) as toy_process:
        await wire.producer.send([*sent.values(), sent["good"]])
        await dead_letter(mongo, orderId=sent["bad"].key)
        await wire.producer.send([replace(sent["late"], data=f'{{"note": "{NOTE}'.encode())])
        await until(lambda: len(toy_process.said("message.dead")) == 2)
        await until(lambda: len(toy_process.said("message.repeated")) == 1)
        yield toy_process, {mood: str(one.id) for mood, one in sent.items()}


class TestLog:
    async def test_has_one_line_a_message(self, busy: tuple[Process, dict[str, str]]) -> None:
        """Guards "one structlog JSON line per message with bound ids"."""
        toy_process, ids = busy

        for event, mood in (
            ("message.handled", "good"),
            ("message.refused", "no"),
            ("message.ignored", "late"),
            ("message.repeated", "good"),
        ):
            (line,) = toy_process.said(event)
            assert line["message_id"] == line["correlation_id"] == ids[mood]
            assert (line["service"], line["message"]) == ("toy", "toy.add")
            assert line["key"].startswith("c-")
            assert line["seconds"] >= 0

    async def test_names_what_failed_and_where(self, busy: tuple[Process, dict[str, str]]) -> None:
        """Guards the lines of failures: each attempt, and the death with its reason."""
        toy_process, ids = busy

        attempts = toy_process.said("message.failed")
        died, unreadable = toy_process.said("message.dead")

        assert [line["attempt"] for line in attempts] == [1, 2]
        assert {line["message_id"] for line in (*attempts, died)} == {ids["bad"]}
        assert attempts[0]["exception"][0]["error"] == "ValueError"
        assert attempts[0]["exception"][0]["at"][-1].endswith("_suffer")
        assert died["reason"].startswith("ValueError in _suffer")
        assert unreadable["reason"].startswith("the body: Invalid JSON")

    async def test_knows_nothing_personal(self, busy: tuple[Process, dict[str, str]]) -> None:
        """Guards "no personal data": neither a payload nor an exception that quotes one."""
        toy_process, _ = busy

        assert NOTE not in str(toy_process.lines)


class TestPages:
    async def test_show_the_numbers(self, busy: tuple[Process, dict[str, str]]) -> None:
        """Guards "Prometheus metrics (handled, retried, dead, lag, batch size, seconds)"."""
        toy_process, _ = busy

        _, body = await fetched(f"{toy_process.url}/metrics")
        found = {
            (sample.name, *sorted(sample.labels.values())): sample.value
            for family in text_string_to_metric_families(body.decode())
            for sample in family.samples
        }

        for outcome in ("handled", "refused", "ignored", "repeated"):
            assert found["kontor_messages_handled_total", outcome, "toy.add"] == 1
        assert found["kontor_messages_retried_total", "toy.add"] == 2
        assert found["kontor_messages_dead_total", "toy.add"] == 1
        assert found["kontor_messages_dead_total", "unreadable"] == 1
        assert found["kontor_messages_parked",] == 0
        assert found["kontor_batch_messages_count",] >= 1
        steps = {name[1] for name in found if name[0] == "kontor_batch_step_seconds_count"}
        assert steps == {"load", "handle", "commit", "produce"}
        assert any(name[0] == "kontor_lag" and value == 0 for name, value in found.items())

    @pytest.mark.parametrize("page", ["live", "ready"])
    async def test_tell_that_all_is_well(
        self, busy: tuple[Process, dict[str, str]], page: str
    ) -> None:
        """Guards `/health/live` and `/health/ready`; without MongoDB: test_outages.py."""
        toy_process, _ = busy

        status, body = await fetched(f"{toy_process.url}/health/{page}")

        assert status == 200
        assert from_json(body)[page] is True


async def fetched(url: str) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.read()
