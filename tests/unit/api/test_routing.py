import pytest

from services.api.domain import PUBLIC
from services.api.entrypoints import ROUTES
from services.api.entrypoints.parts import Parts
from services.api.entrypoints.request import Request
from services.api.entrypoints.response import Response
from services.api.entrypoints.routing import Route, Router


async def answer(_: Request, __: Parts) -> Response:
    return Response(200)


def a_route(method: str, path: str) -> Route:
    return Route(method=method, path=path, handler=answer, requires=PUBLIC)


class TestRouter:
    @pytest.mark.parametrize("path", ["/api/Orders", "/API/orders", "/api/ORDERS/"])
    def test_finds_fixed_segments_in_any_case(self, path: str) -> None:
        router = Router([a_route("POST", "/api/Orders")])

        found = router.find(path)

        assert found is not None
        assert set(found[0]) == {"POST"}

    def test_keeps_the_case_of_an_id(self) -> None:
        router = Router([a_route("GET", "/api/Orders/{id}/Exists")])

        found = router.find("/api/orders/aBc/exists")

        assert found is not None
        assert found[1] == ("aBc",)

    def test_keeps_a_slash_within_an_id(self) -> None:
        router = Router([a_route("GET", "/api/Orders/carts/{cartId}")])

        found = router.find("/api/orders/c%61rts/a%2Fb%25c")

        assert found is not None
        assert found[1] == ("a/b%c",)

    def test_takes_an_encoded_slash_for_a_part_of_the_value(self) -> None:
        router = Router(
            [
                a_route("GET", "/api/Orders/{id}/{versionId}"),
                a_route("POST", "/api/Orders/{orderId}/OrderLines/{lineItemId}/Cancel"),
            ]
        )

        line = router.find("/api/Orders/O%201/order%4Cines/a%2Fb%25%C3%B8/Cancel")
        alone = router.find("/api/Orders/a%2Fb")

        assert line is not None
        assert line[1] == ("O 1", "a/b%ø")
        assert alone is None

    @pytest.mark.parametrize("blank", ["", "%20", "%09%C2%A0"])
    def test_takes_nothing_blank_for_a_value(self, blank: str) -> None:
        router = Router([a_route("GET", "/api/Orders/Customers/{customerId}/Orders")])

        found = router.find(f"/api/Orders/Customers/{blank}/Orders")

        assert found is None

    def test_prefers_a_word_to_a_parameter_and_falls_back(self) -> None:
        router = Router(
            [
                a_route("GET", "/api/Orders/{id}"),
                a_route("POST", "/api/Orders/Search"),
                a_route("GET", "/api/Orders/{id}/{versionId}"),
            ]
        )

        word = router.find("/api/Orders/search")
        deeper = router.find("/api/Orders/search/1")

        assert word is not None
        assert set(word[0]) == {"POST"}
        assert deeper is not None
        assert deeper[1] == ("search", "1")

    @pytest.mark.parametrize("path", ["/", "/api", "/api/Orders//", "/api/Orders/1/2", "//"])
    def test_finds_nothing_elsewhere(self, path: str) -> None:
        router = Router([a_route("GET", "/api/Orders/{id}")])

        assert router.find(path) is None

    def test_answers_head_where_it_answers_get(self) -> None:
        router = Router([a_route("GET", "/api/Orders/{id}")])

        found = router.find("/api/Orders/1")

        assert found is not None
        assert set(found[0]) == {"GET", "HEAD"}

    def test_refuses_two_routes_for_one_request(self) -> None:
        with pytest.raises(ValueError, match="two routes"):
            Router([a_route("GET", "/api/Orders/{id}"), a_route("GET", "/api/orders/{orderId}")])


class TestRoute:
    def test_does_not_start_with_a_role_that_is_none(self) -> None:
        with pytest.raises(ValueError, match="OrderAdmim"):
            Route(method="GET", path="/x", handler=answer, requires="OrderAdmim")

    def test_does_not_start_without_a_role(self) -> None:
        with pytest.raises(TypeError, match="requires"):
            Route(method="GET", path="/x", handler=answer)  # type: ignore[call-arg]

    @pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
    def test_of_the_table_says_what_it_does(self, route: Route) -> None:
        assert route.handler.__doc__

    def test_is_public_only_where_anybody_may_call(self) -> None:
        public = {route.path for route in ROUTES if route.requires == PUBLIC}

        assert {path.split("/")[1] for path in public} <= {
            "api",
            "health",
            "metrics",
            "documentation",
        }
        assert {path for path in public if path.startswith("/api")} == {"/api/token", "/api/Health"}
