import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.domain import (
    ANY,
    OWNER,
    ROLES,
    Client,
    beyond,
    client,
    included,
    spelt,
)


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


roles = st.one_of(
    st.sampled_from(sorted(ROLES - {OWNER})),
    st.sampled_from(["store-a", "store-B", "market-a", "market-B"]),
)
clients = st.builds(
    lambda roles, stores, markets: a_client(*roles, stores=tuple(stores), markets=tuple(markets)),
    st.sets(roles),
    st.sets(st.sampled_from("aBc")),
    st.sets(st.sampled_from("aBc")),
)
PLACES = [(store, market) for store in (None, "a", "b", "z") for market in (None, "a", "b", "z")]


class TestSpelling:
    @pytest.mark.parametrize(
        ("written", "role"),
        [
            ("orderread", "OrderRead"),
            ("APIOWNER", "ApiOwner"),
            ("STORE-Oslo", "store-Oslo"),
            ("market-nor", "market-nor"),
            ("store-", None),
            ("OrderWrite", None),
            ("", None),
        ],
    )
    def test_of_a_role_is_the_guides(self, written: str, role: str | None) -> None:
        assert spelt(written) == role


class TestGranting:
    @given(
        clients, st.sets(roles), st.sets(st.sampled_from("aBc")), st.sets(st.sampled_from("aBc"))
    )
    def test_gives_nobody_more_than_one_has(
        self, grantor: Client, roles: set[str], stores: set[str], markets: set[str]
    ) -> None:
        granted = client("g", roles=roles, stores=stores, markets=markets, generation=1)

        faults = beyond(grantor, roles=roles, stores=stores, markets=markets)

        if not faults:
            assert granted.roles & ROLES <= grantor.roles | {ANY}
            seen = [
                place for place in PLACES if granted.sees(store_id=place[0], market_id=place[1])
            ]
            assert all(grantor.sees(store_id=store, market_id=market) for store, market in seen)

    @given(clients)
    def test_lets_an_owner_give_anything(self, granted: Client) -> None:
        owner = a_client(OWNER)

        faults = beyond(
            owner,
            roles=granted.roles,
            stores=granted.stores or (),
            markets=granted.markets or (),
        )

        assert faults == []

    def test_names_each_role_and_each_dimension_that_is_too_much(self) -> None:
        grantor = a_client("UserAdmin", "OrderRead", "store-oslo", "market-nor")

        faults = beyond(
            grantor, roles=["OrderRead", OWNER, "store-Bergen"], stores=["OSLO"], markets=["NOR"]
        )

        assert [(fault.path, fault.got) for fault in faults] == [
            ("roles[1]", OWNER),
            ("stores", None),
            ("markets", None),
        ]
        assert "oslo" in faults[1].message

    def test_takes_a_scope_that_names_less_for_less(self) -> None:
        grantor = a_client("UserAdmin", "OrderRead", "store-oslo", "store-bergen")

        one = beyond(grantor, roles=["OrderRead"], stores=["Oslo"], markets=[])
        only_a_market = beyond(grantor, roles=["OrderRead"], stores=[], markets=["NOR"])

        assert one == []
        assert [fault.path for fault in only_a_market] == ["stores"]
