import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.domain import ANY, OWNER, ROLES, Client, client, included


def a_client(*roles: str, stores: tuple[str, ...] = (), markets: tuple[str, ...] = ()) -> Client:
    return client("c", roles=roles, stores=stores, markets=markets, generation=1)


class TestRoles:
    @given(st.sets(st.sampled_from(sorted(ROLES))))
    def test_include_themselves_and_nothing_twice_over(self, roles: set[str]) -> None:
        held = included(roles)

        assert roles <= held
        assert included(held) == held

    def test_of_an_owner_are_all_there_are(self) -> None:
        assert included([OWNER]) == ROLES

    @pytest.mark.parametrize(
        ("role", "other"),
        [
            ("OrderAdmin", "OrderRead"),
            ("OrderAdmin", "PosWriter"),
            ("CommerceUser", "CartAdmin"),
            ("CommerceUser", "CustomerRead"),
            ("CommerceUser", "ProductRead"),
            ("SettingsAdmin", "SettingsRead"),
            ("OrderRead", ANY),
        ],
    )
    def test_include_lower_ones(self, role: str, other: str) -> None:
        assert other in included([role])

    @pytest.mark.parametrize(
        ("role", "other"),
        [
            ("OrderRead", "OrderAdmin"),
            ("OrderAdmin", "InventoryRead"),
            ("CommerceUser", "ProductAdmin"),
            ("CommerceUser", "OrderRead"),
            ("PosWriter", "OrderRead"),
        ],
    )
    def test_include_no_others(self, role: str, other: str) -> None:
        assert other not in included([role])

    def test_that_are_none_let_nobody_in(self) -> None:
        assert included([]) == frozenset()


class TestScope:
    def test_of_nobody_is_nothing(self) -> None:
        nobody = a_client("OrderAdmin")

        assert not nobody.sees(store_id="Oslo", market_id="NOR")

    @pytest.mark.parametrize("lifting", [(OWNER,), ("AllStores", "AllMarkets")])
    def test_is_everything_where_it_is_lifted(self, lifting: tuple[str, ...]) -> None:
        everybody = a_client(*lifting)

        assert everybody.is_unrestricted
        assert everybody.sees(store_id=None, market_id=None)

    def test_names_stores_by_role_or_by_list_in_any_case(self) -> None:
        by_role = a_client("store-OSLO", "AllMarkets")
        by_list = a_client("AllMarkets", stores=("oslo",))

        assert by_role.stores == by_list.stores
        assert by_role.sees(store_id="Oslo", market_id="NOR")
        assert not by_role.sees(store_id="Bergen", market_id="NOR")

    def test_restricts_by_each_dimension_that_it_names(self) -> None:
        both = a_client("store-oslo", "market-nor")
        market = a_client("market-nor")

        assert not both.sees(store_id="Bergen", market_id="NOR")
        assert not both.sees(store_id="Oslo", market_id="SWE")
        assert market.sees(store_id="Bergen", market_id="nor")
