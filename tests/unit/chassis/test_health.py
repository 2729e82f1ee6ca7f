import asyncio
import json
import socket

import pytest

from services.chassis.health import CannotListen, application, report, server


async def test_a_port_that_is_taken_is_a_failure_that_names_the_variables() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        pages = server(application({}), host="127.0.0.1", port=port)

        with pytest.raises(CannotListen, match=f"127.0.0.1:{port} .*in use.*KONTOR_HEALTH_PORT"):
            await pages.start()

        await pages.stop()


async def test_a_server_that_was_stopped_lets_go_of_its_port() -> None:
    pages = server(application({}), host="127.0.0.1", port=0)
    await pages.start()
    port = pages.port

    await pages.stop()

    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_parts_are_asked_at_the_same_time() -> None:
    both = asyncio.Barrier(2)

    async def once_both_are_asked() -> bool:
        await both.wait()
        return True

    status, body = await report({"mongo": once_both_are_asked, "kafka": once_both_are_asked})

    assert status == 200
    assert json.loads(body) == {"ready": True, "parts": {"mongo": "ok", "kafka": "ok"}}
