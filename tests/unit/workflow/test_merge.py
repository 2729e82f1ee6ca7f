"""The laws of laying what a client says over what is stored."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.fields import LONGEST_LIST
from contracts.model import Model
from contracts.note import EntityError, ExternalId, PropertyItem
from contracts.order import Order, OrderForm
from contracts.order_line import OrderLine
from contracts.order_patch import OrderFormPatch, OrderLinePatch, OrderPatch, OrderUpdate
from contracts.party import Address, ContactPerson
from contracts.payment import Payment, PaymentPatch
from contracts.return_form import ReturnForm
from services.chassis.outcomes import Refused
from services.workflow.domain.merge import Stays, cleared, merged, patched, without_properties

# A machine that is busy with other things makes no law untrue.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

few_words = st.sampled_from(["a", "b", "c"])
maybe_word = st.none() | few_words
texts = st.lists(few_words, max_size=3)


# Any: members of models are of many kinds.
def some_of(kind: Callable[..., Any], **members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Models that name some of these members, and leave out the others."""
    return st.fixed_dictionaries({}, optional=members).map(lambda sent: kind(**sent))


addresses = some_of(Address, name=maybe_word, line1=maybe_word, city=maybe_word)
properties = st.builds(PropertyItem, key=maybe_word, key_group=maybe_word, value=maybe_word)
external_ids = st.builds(ExternalId, provider_name=maybe_word, id=few_words)
contacts = some_of(ContactPerson, email=maybe_word, address=st.none() | addresses, roles=texts)


def members(form: type[OrderForm], lines: st.SearchStrategy[Any]) -> dict[str, Any]:
    line_lists = st.lists(lines, max_size=3, unique_by=lambda line: line.line_item_id)
    forms = some_of(
        form,
        cart_id=maybe_word,
        coupon_codes=st.none() | texts,
        line_items=st.none() | line_lists,
    )
    return {
        "status": maybe_word,
        "customer_name": maybe_word,
        "billing_address": st.none() | addresses,
        "contact_person": st.none() | contacts,
        "tags": st.none() | texts,
        "properties": st.none() | st.lists(properties, max_size=3),
        "external_ids": st.none() | st.lists(external_ids, max_size=3),
        "order_form": st.none() | forms,
    }


lines = st.builds(
    OrderLine,
    line_item_id=few_words,
    code=maybe_word,
    properties=st.none() | st.lists(properties, max_size=2),
)
line_patches = st.builds(
    OrderLinePatch,
    line_item_id=few_words,
    code=maybe_word,
    properties=st.none() | st.lists(properties, max_size=2),
    keep_existing_custom_properties=st.none() | st.booleans(),
)
orders = some_of(
    lambda **named: Order(id="1", market_id="NOR", store_id="1", **named),
    **members(OrderForm, lines),
)
updates = some_of(lambda **named: OrderUpdate(id="1", **named), **members(OrderForm, lines))
patches = some_of(OrderPatch, **members(OrderFormPatch, line_patches))
ways = st.builds(Stays, properties=st.booleans(), lines=st.booleans(), others=st.booleans())


class TestAnUpdate:
    @unhurried
    @given(orders)
    def test_that_names_nothing_changes_nothing(self, order: Order) -> None:
        assert merged(order, OrderUpdate(id="1")) == order

    @unhurried
    @given(orders)
    def test_that_says_what_is_stored_changes_nothing(self, order: Order) -> None:
        same = OrderUpdate.model_validate(order.model_dump())

        assert merged(order, same) == order

    @unhurried
    @given(orders, updates)
    def test_made_again_changes_nothing(self, order: Order, update: OrderUpdate) -> None:
        once = merged(order, update)

        assert merged(once, update) == once

    @unhurried
    @given(orders, updates)
    def test_leaves_what_it_does_not_name(self, order: Order, update: OrderUpdate) -> None:
        after = merged(order, update)

        for name in Order.model_fields.keys() - update.model_fields_set:
            assert getattr(after, name) == getattr(order, name)

    @unhurried
    @given(orders, updates)
    def test_says_of_each_member_that_it_names_what_it_is(
        self, order: Order, update: OrderUpdate
    ) -> None:
        assert says(merged(order, update), update)


def says(after: Model, sent: Model) -> bool:
    """Tell whether each member that was sent is as it was sent, all the way down."""
    for name in sent.model_fields_set:
        found, value = getattr(after, name), getattr(sent, name)
        same = says(found, value) if isinstance(value, Model) else found == value
        if not same:
            return False
    return True


class TestAPatch:
    @unhurried
    @given(orders, ways)
    def test_that_names_nothing_changes_nothing(self, order: Order, stays: Stays) -> None:
        assert patched(order, OrderPatch(), stays) == order

    @unhurried
    @given(orders, ways)
    def test_of_nulls_changes_nothing(self, order: Order, stays: Stays) -> None:
        nulls = OrderPatch(**dict.fromkeys(OrderPatch.model_fields))

        assert patched(order, nulls, stays) == order

    @unhurried
    @given(orders, patches, ways)
    def test_made_again_changes_nothing(
        self, order: Order, patch: OrderPatch, stays: Stays
    ) -> None:
        once = patched(order, patch, stays)

        assert patched(once, patch, stays) == once

    @unhurried
    @given(orders, patches)
    def test_takes_nothing_away_unless_it_says_so(self, order: Order, patch: OrderPatch) -> None:
        after = patched(order, patch.model_copy(update={"order_form": None}), Stays())

        assert set(after.tags or ()) >= set(order.tags or ())
        names = {(one.key, one.key_group) for one in order.properties or ()}
        assert {(one.key, one.key_group) for one in after.properties or ()} >= names

    @unhurried
    @given(orders, patches)
    def test_keeps_of_a_list_only_what_it_names_where_it_says_so(
        self, order: Order, patch: OrderPatch
    ) -> None:
        after = patched(order, patch, Stays(properties=False, lines=False, others=False))

        if patch.tags is not None:
            assert sorted(after.tags or ()) == sorted(set(patch.tags))
        if patch.properties is not None:
            names = {(one.key, one.key_group) for one in patch.properties}
            assert {(one.key, one.key_group) for one in after.properties or ()} == names

    @unhurried
    @given(orders, patches, ways)
    def test_leaves_an_order_of_the_orders_own_kinds(
        self, order: Order, patch: OrderPatch, stays: Stays
    ) -> None:
        after = patched(order, patch, stays)

        assert type(after.order_form) in {OrderForm, type(None)}
        form = after.order_form or OrderForm()
        assert {type(line) for line in form.line_items or ()} <= {OrderLine}

    def test_finds_a_payment_by_its_id_and_an_external_id_by_its_provider(self) -> None:
        payment = Payment(
            id="p",
            amount=1,
            payment_method_name="Card",
            transaction_id="t",
            transaction_type="Sale",
            status="Pending",
        )
        form = OrderForm(payments=[payment])
        known = [ExternalId(id="1", provider_name="ERP")]
        order = Order(id="1", market_id="N", store_id="1", order_form=form, external_ids=known)
        patch = OrderPatch(
            order_form=OrderFormPatch(payments=[PaymentPatch(id="p", status="Processed")]),
            external_ids=[ExternalId(id="2", provider_name="ERP")],
        )

        after = patched(order, patch, Stays())

        assert after.order_form is not None
        done = payment.model_copy(update={"status": "Processed"})
        assert after.order_form.payments == [done]
        assert after.external_ids == [ExternalId(id="2", provider_name="ERP")]

    def test_appends_what_nothing_tells_apart_unless_it_is_there(self) -> None:
        order = Order(id="1", market_id="N", store_id="1", errors=[EntityError(message="old")])
        patch = OrderPatch(errors=[EntityError(message="old"), EntityError(message="new")])

        after = patched(order, patch, Stays())

        assert [one.message for one in after.errors or ()] == ["old", "new"]

    def test_ignores_what_only_the_system_writes(self) -> None:
        order = Order(id="1", market_id="N", store_id="1", version=3)

        assert patched(order, OrderPatch(version=9, modified_by="me"), Stays()) == order

    @pytest.mark.parametrize(
        ("switches", "left"),
        [
            ({}, ["a"]),
            ({"shouldAddMissingLineItems": True}, ["a", "b"]),
            ({"replaceLineItemsArray": True}, ["b"]),
        ],
    )
    def test_of_a_return_adds_lines_only_where_it_says_so(
        self, switches: dict[str, bool], left: list[str]
    ) -> None:
        returned = ReturnForm(return_id="R", line_items=[OrderLine(line_item_id="a")])
        order = Order(id="1", market_id="N", store_id="1", return_order_forms=[returned])
        lines = [{"lineItemId": "b"}]
        patch = OrderPatch.model_validate(
            {"returnOrderForms": [{"returnId": "R", "lineItems": lines, **switches}]}
        )

        after = patched(order, patch, Stays()).return_order_forms

        assert after is not None
        assert [line.line_item_id for line in after[0].line_items or ()] == left

    def test_that_would_make_a_list_too_long_is_refused(self) -> None:
        tags = [str(number) for number in range(LONGEST_LIST)]
        order = Order(id="1", market_id="N", store_id="1", tags=tags)

        with pytest.raises(Refused) as refused:
            patched(order, OrderPatch(tags=["one more"]), Stays())

        assert refused.value.problem.slug == "too-many-entries"
        assert [one.path for one in refused.value.problem.errors or ()] == ["tags"]


class TestProperties:
    @pytest.mark.parametrize(
        ("condition", "left"),
        [
            ({"key": "a"}, ["b"]),
            ({"key": "a", "keyGroup": "g"}, ["a", "b"]),
            ({"value": "1"}, ["a"]),
            ({"key": "A"}, ["a", "b", "a"]),
            ({}, ["a", "b", "a"]),
        ],
    )
    def test_go_where_they_match_all_that_a_condition_names(
        self, condition: dict[str, str], left: list[str]
    ) -> None:
        items = [
            PropertyItem(key="a", value="1"),
            PropertyItem(key="b", value="1"),
            PropertyItem(key="a", key_group="g", value="2"),
        ]
        order = Order(id="1", market_id="N", store_id="1", properties=items)

        after = without_properties(order, [PropertyItem.model_validate(condition)])

        assert [one.key for one in after.properties or ()] == left


class TestClearing:
    def test_empties_a_list_and_makes_anything_else_null(self) -> None:
        order = Order(
            id="1",
            market_id="N",
            store_id="1",
            tags=["a"],
            customer_name="Ola",
            billing_address=Address(city="Oslo", name="Ola"),
        )

        after = order
        for path in (["tags"], ["customer_name"], ["billing_address", "city"], ["assets"]):
            after = cleared(after, path)

        assert (after.tags, after.customer_name, after.assets) == ([], None, None)
        assert after.billing_address == Address(name="Ola")

    def test_of_what_is_not_there_changes_nothing(self) -> None:
        order = Order(id="1", market_id="N", store_id="1")

        assert cleared(order, ["billing_address", "city"]) == order
