"""The api on the real Kafka and MongoDB, and somebody who answers its commands."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr

from services.api.app import Api, service
from services.api.settings import Settings
from services.chassis.mongo import Database
from services.chassis.settings import ChassisSettings
from tests import harness
from tests.integration.api.answering import Answerer
from tests.integration.api.calling import OWNER, OWNER_SECRET, Caller


def api_settings(settings: ChassisSettings, **changes: Any) -> Settings:  # noqa: ANN401 - settings
    """Return the environment of an api on a free port."""
    members = {
        **settings.model_dump(),
        "api_port": 0,
        "token_secret": SecretStr("t" * 32),
        "owner_client_id": OWNER,
        "owner_client_secret": SecretStr(OWNER_SECRET),
        "answer_seconds": 10,
    }
    return Settings(**(members | changes))


@pytest.fixture(scope="module")
async def database(settings: ChassisSettings) -> AsyncIterator[Database]:
    async with harness.database(settings) as database:
        yield database


@pytest.fixture(scope="module")
async def answerer(settings: ChassisSettings) -> AsyncIterator[Answerer]:
    async with harness.running(Answerer(settings)) as answerer:
        yield answerer


@pytest.fixture(scope="module")
async def api(
    settings: ChassisSettings,
    answerer: Answerer,  # noqa: ARG001 - it must stand before the api does
) -> AsyncIterator[Api]:
    async with harness.running(service(api_settings(settings))) as api:
        yield api


@pytest.fixture(scope="module")
async def call(api: Api) -> AsyncIterator[Caller]:
    caller = await Caller.signed_in(api.url)
    yield caller
    await caller.close()
