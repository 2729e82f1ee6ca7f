"""The description of the API is served to programs and to people, without a token."""

import re
from html import unescape

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from contracts.problems import CATALOGUE, problem
from services.api.app import Api
from services.api.entrypoints.documentation.open_points import OPEN_POINTS, TITLE
from services.api.entrypoints.documentation.openapi import SEGMENTS
from tests.integration.api.calling import Caller

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


class TestDocumentation:
    @pytest.mark.parametrize("path", ["", *(f"/{one}" for one in SEGMENTS), "/Orders/"])
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

    async def test_tells_what_the_documents_leave_open(self, api: Api) -> None:
        caller = Caller(api.url)

        said = (await caller("GET", "/documentation")).json["info"]["description"]
        page = await caller("GET", "/documentation", headers={"Accept": BROWSER})

        await caller.close()
        assert said.count(TITLE) == 1
        assert all(f"| {one.number} | {one.subject} |" in said for one in OPEN_POINTS)
        assert all(one.answer in unescape(page.body.decode()) for one in OPEN_POINTS)

    async def test_is_a_page_for_browsers(self, api: Api) -> None:
        caller = Caller(api.url)

        said = await caller("GET", "/documentation/orders", headers={"Accept": BROWSER})

        await caller.close()
        page = said.body.decode()
        assert said.headers["content-type"] == "text/html; charset=utf-8"
        assert said.headers["vary"] == "accept, accept-encoding"
        assert "/api/Orders/{orderId}/UpdateStatus" in page
        assert "Role: `OrderAdmin`." in page
        assert "Ola Nordmann" in page
        assert "/documentation/problems/order-locked" in page
        assert "Idempotency-Key" in page
        assert "take * page" in page

    @pytest.mark.parametrize("path", ["", *(f"/{one}" for one in SEGMENTS), "/problems"])
    async def test_is_complete_in_itself_as_a_page(self, api: Api, path: str) -> None:
        caller = Caller(api.url)

        said = await caller("GET", f"/documentation{path}", headers={"Accept": BROWSER})

        await caller.close()
        page = said.body.decode()
        targets = {one for one in re.findall(r'href="([^"]*)"', page) if one.startswith("#")}
        assert not re.search(r"<script|<link|<img|src=|url\(|@import", page)
        assert all(f'id="{one[1:]}"' in page for one in targets)
        assert all(not one.startswith("http") for one in re.findall(r'href="([^"]*)"', page))


class TestProblems:
    async def test_are_all_explained(self, api: Api) -> None:
        caller = Caller(api.url)

        listed = await caller("GET", "/documentation/problems")
        page = await caller("GET", "/documentation/problems", headers={"Accept": BROWSER})

        await caller.close()
        assert [known["type"].rsplit("/", 1)[-1] for known in listed.json] == list(CATALOGUE)
        assert all(slug in page.body.decode() for slug in CATALOGUE)

    async def test_have_a_page_each_that_says_what_happened_and_what_to_do(self, api: Api) -> None:
        caller = Caller(api.url)
        known = [problem(slug) for slug in CATALOGUE]

        pages = [(await caller("GET", one.type, headers={"Accept": BROWSER})).body for one in known]
        said = [(await caller("GET", one.type)).json for one in known]

        await caller.close()
        for one, page, told in zip(known, pages, said, strict=True):
            assert one.title in unescape(page.decode())
            assert one.detail in unescape(page.decode())
            assert (told["status"], told["detail"]) == (one.status, one.detail)

    async def test_that_nobody_knows_are_a_problem(self, api: Api) -> None:
        caller = Caller(api.url)

        none = await caller("GET", "/documentation/problems/none")

        await caller.close()
        assert (none.status, none.problem) == (404, "not-found")

    async def test_say_which_path_was_asked_for(self, call: Caller) -> None:
        asked = [
            ("GET", "/api/Nothing/%C3%A6", "no-such-path"),
            ("DELETE", "/api/orders", "method-not-allowed"),
            ("GET", "/API/orders/NO%20ORDER?take=1", "order-not-found"),
            ("POST", "/api/Orders", "malformed-json"),
        ]

        said = [await call(method, path, data=b"{") for method, path, _ in asked]

        assert [one.problem for one in said] == [slug for _, _, slug in asked]
        assert [one.json["instance"] for one in said] == [p.partition("?")[0] for _, p, _ in asked]
