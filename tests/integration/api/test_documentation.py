"""The description of the API is served to programs and to people, without a token."""

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts.problems import CATALOGUE
from services.api.app import Api
from tests.integration.api.calling import Caller

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
SEGMENTS = ("orders", "inventory", "webhooks", "products", "carts", "customers", "projects")


class TestDocumentation:
    @pytest.mark.parametrize("path", ["", *(f"/{one}" for one in SEGMENTS)])
    async def test_is_a_valid_document(self, api: Api, path: str) -> None:
        caller = Caller(api.url)

        said = await caller("GET", f"/documentation{path}")

        await caller.close()
        assert said.headers["content-type"] == "application/json"
        OpenAPIV31SpecValidator(said.json).validate()

    async def test_has_a_segments_paths_and_no_others(self, api: Api) -> None:
        caller = Caller(api.url)

        orders = (await caller("GET", "/documentation/orders")).json
        projects = (await caller("GET", "/documentation/projects")).json

        await caller.close()
        assert "/api/Orders" in orders["paths"]
        assert {path.split("/")[2] for path in orders["paths"]} == {"Orders"}
        assert projects["paths"] == {}

    async def test_is_a_page_for_browsers(self, api: Api) -> None:
        caller = Caller(api.url)

        said = await caller("GET", "/documentation/orders", headers={"Accept": BROWSER})

        await caller.close()
        page = said.body.decode()
        assert said.headers["content-type"] == "text/html; charset=utf-8"
        assert said.headers["vary"] == "accept"
        assert "/api/Orders/{orderId}/UpdateStatus" in page
        assert "Ola Nordmann" in page
        assert "<script" not in page
        assert "http://" not in page

    async def test_explains_every_problem(self, api: Api) -> None:
        caller = Caller(api.url)

        listed = await caller("GET", "/documentation/problems")
        page = await caller("GET", "/documentation/problems", headers={"Accept": BROWSER})
        one = await caller("GET", "/documentation/problems/order-locked")
        none = await caller("GET", "/documentation/problems/none")

        await caller.close()
        assert [known["type"].rsplit("/", 1)[-1] for known in listed.json] == list(CATALOGUE)
        assert all(slug in page.body.decode() for slug in CATALOGUE)
        assert one.json["status"] == 409
        assert (none.status, none.problem) == (404, "not-found")
