"""How orders are treated, whatever their type: every option of the configuration guide.

Options for screens and printouts are kept for them; the description of the API names those that
nothing acts on yet.
"""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, get_args

from pydantic import AfterValidator, Field, PlainSerializer, WithJsonSchema

from contracts.fields import Flag, Whole, spelled
from contracts.money import Amount
from contracts.settings.order_types import OrderStatus, WorkflowStep
from contracts.settings.setting import (
    Name,
    Names,
    Property,
    Setting,
    TranslationKey,
    TupleOf,
    distinct,
)

_Reasons = Annotated[TupleOf[TranslationKey], distinct("id")]
_Count = Annotated[Whole, Field(ge=1)]


class DefaultProperty(Setting):
    """A property that every new order, or line, has (OmniumDefaultPropertyItem)."""

    other_names = {  # noqa: RUF012 - a ClassVar of Model
        "name": "key",
        "valuetype": "dataType",
        "readonly": "isReadOnly",
    }

    key: Name
    value: str | None = None
    key_group: str | None = None
    display_name: str | None = None
    data_type: str | None = None
    """String, Number, Boolean or Date; for screens."""
    is_required: Flag = False
    """If true, an order that leaves it empty is refused."""
    is_read_only: Flag = False
    """If true, it does not change once the order exists."""
    is_custom_value_option_allowed: Flag = False
    is_multi_select_enabled: Flag = False
    value_options: Names = ()


class CommentTemplate(Setting):
    """A ready-made comment; its properties Subject and Body hold the text."""

    template_name: Name
    properties: TupleOf[Property] = ()


class TagSetting(Setting):
    """A tag that screens offer; orders may have others (OmniumTagSettings)."""

    name: Name
    translation_key: str | None = None


class OrderLineSettings(Setting):
    """How lines are treated."""

    default_properties: Annotated[TupleOf[DefaultProperty], distinct("key_group", "key")] = ()
    split_multibuy_promotion_order_lines: Flag = False
    """If true, a line of a multi-buy promotion becomes one line per unit while nothing of it is
    reserved, delivered or cancelled; no total changes by that."""
    enrich_default_properties_from_product: Flag = False
    properties_to_enrich_order_line_from_product: Names = ()
    properties_to_exclude_from_configurable_product: Names = ()
    properties_to_enrich_order_line_from_price_list: Names = ()
    is_cancel_comment_required: Flag = False
    modified_reasons: _Reasons = ()
    cancellation_types: _Reasons = ()


TextAmount = Annotated[
    Amount,
    Field(ge=0),
    PlainSerializer(lambda amount: format(amount, "f"), return_type=str, when_used="json"),
    WithJsonSchema({"type": "string"}),
]
"""An amount that the guide writes as text, "49"."""


class ReturnTypeCharge(Setting):
    """What a return of this type costs the customer, in one currency."""

    currency: Name
    amount: TextAmount


class ReturnType(Setting):
    """A kind of return (OmniumReturnType)."""

    id: Name
    translation_key: str | None = None
    update_inventory: Flag = True
    return_type_charges: Annotated[TupleOf[ReturnTypeCharge], distinct("currency")] = ()


class ReturnStatus(Setting):
    """A stage of a return, and what happens when it is entered."""

    name: Name
    order: Whole
    display_name: str | None = None
    translate_key: str | None = None
    workflow_steps: TupleOf[WorkflowStep] = ()


class ReturnSettings(Setting):
    """How returns are treated."""

    default_update_stock: Flag = False
    hide_create_claim: Flag = False
    hide_return_reason: Flag = False
    hide_comment: Flag = False
    hide_update_stock: Flag = False
    create_return_label: Flag = False
    default_return_order_type: str | None = None
    """Absent means the type of the original order."""
    is_disable_credit_shipping_cost: Flag = False
    is_allow_one_return_charge_per_order: Flag = False
    is_auto_credit_shipment_on_full_return: Flag = False
    is_auto_credit_lowest_shipment_cost_on_full_return: Flag = False
    is_return_split_orders_to_main_warehouse: Flag = False
    return_types: Annotated[TupleOf[ReturnType], distinct("id")] = ()
    return_statuses: Annotated[TupleOf[ReturnStatus], distinct("name")] = ()
    """If there are any, they replace the built-in return workflow."""


class ReplacementSettings(Setting):
    """How replacement orders are made."""

    replacement_types: _Reasons = ()
    is_meta_data_deleted: Flag = False
    is_replacement_order_unreplaceable: Flag = False
    deleted_meta_data_on_order_line: Names = ()
    deleted_meta_data_on_order: Names = ()


class SubscriptionSettings(Setting):
    """Statuses of subscription orders."""

    subscription_statuses: Annotated[TupleOf[OrderStatus], distinct("name")] = ()


_AutomationCondition = Literal[
    "BackInStock", "AllItemsShipped", "AllItemsPicked", "PaymentCaptured", "PaymentAuthorized"
]
AutomationCondition = Annotated[_AutomationCondition, spelled(get_args(_AutomationCondition))]
"""When an automation acts (domain 6.7)."""


class OrderAutomation(Setting):
    """Orders of this type and status move on by themselves once the condition holds."""

    order_type: Name
    status: Name
    condition: AutomationCondition
    new_status: Name
    run_workflow: Flag = False


class OrderAutomationSettings(Setting):
    """The automations, and how much they do at a time (S2, order automation).

    They act while the scheduled task OrderAutomation is configured and active.
    """

    order_automations: TupleOf[OrderAutomation] = ()
    back_in_stock_batch_size: _Count = 100
    """Orders whose stock is looked up at a time, at most 500."""
    max_orders_to_process_per_run: _Count = 1000
    """Orders that are looked at in a run, whatever comes of it; the next goes on behind them."""
    inventory_change_threshold: _Count = 1
    """Kept, and acted on by nothing: an automation looks at the stock that there is, and not at how
    it changed."""


class OmneoSettings(Setting):
    """Where orders that come through the Omneo API belong."""

    store_id: str = "WebShop"
    market_id: str = "NOR"
    order_type: str | None = None
    """Absent means the default type."""
    warehouse_code: str | None = None
    """Absent means the store."""


_MOST_YEARS: Final = 100
_FEWEST_DAYS: Final = 730


def _threshold(value: int) -> int:
    if not (2 <= value <= _MOST_YEARS or value >= _FEWEST_DAYS):  # noqa: PLR2004 - two years
        raise ValueError("expected 2 to 100 (years) or at least 730 (days)")
    return value


FEWEST_KEPT_DAYS: Final = 7
"""As long as a repeated request is answered from the history of its order (decided 10.1)."""

_SearchWrapper = Literal["both", "reference", "guide"]


class OrderSettings(Setting):
    """Every option that is not part of an order type, with its default (domain 2.4 to 2.14)."""

    # As logging's own settings call it (domain 2.14).
    other_names = {  # noqa: RUF012 - a ClassVar of Model
        "eventlogorderpreservationdays": "versionRetentionDays",
    }

    # What flows between orders and customers.
    should_order_store_id_be_saved_on_customer: Flag = False
    should_order_market_id_be_saved_on_customer: Flag = False
    should_order_external_ids_be_saved_on_customer: Flag = False
    should_customer_external_ids_be_saved_on_order: Flag = False
    should_order_properties_be_saved_on_customer: Flag = False
    should_customer_properties_be_saved_on_order: Flag = False

    # Display.
    show_order_totals_ex_tax: Flag = False
    show_order_lines_ex_tax: Flag = False
    is_invoice_original: Flag = False
    hide_shipment_lines_on_order_list: Flag = False
    uneditable_external_ids: Flag = Field(default=False, alias="uneditableExternalIDs")
    is_lock_shipments_on_pick_list: Flag = False
    """If true, a shipment on an open pick list is not edited."""
    is_alternative_name_hidden_on_receipts: Flag = False
    is_tags_hidden_on_receipts: Flag = False

    # Rounding and discounts.
    is_discount_amount_rounding_disabled: Flag = False
    is_line_item_amount_rounding_disabled: Flag = False
    is_discount_percentage_locked_by_default: Flag = False
    is_credit_amount_subtracted_from_remaining_payment: Flag = False
    sort_multibuy_items_descending: Flag = False
    """If true, "three for two" lowers the dearest products, not the cheapest."""
    allocate_package_prices_to_components: Flag = False
    """If true, a package's price stands on the lines of what is in it, and its own line costs 0."""

    # Defaults.
    default_currency_code: str | None = None
    default_origin: str | None = None
    default_oms_cart_origin: str | None = None
    default_exchange_terms: str | None = None
    default_replacement_order_type: str | None = None
    """Absent means the type of the original order."""
    default_quick_process_order_status: str | None = None
    delete_orders_threshold: Annotated[Whole, AfterValidator(_threshold)] | None = None
    """2 to 100 are years, 730 and more are days; see `orders_kept_days`."""

    # Validation.
    is_order_validation_enabled: Flag = False
    """If true, an order that is changed through the API is sent to the order validator first: the
    connector named webhookOrderValidator with the implementation IWebhookOrderValidator. What it
    answers replaces the order; without such a connector nothing is validated."""
    is_order_validation_on_open_enabled: Flag = False

    # Statistics and logging.
    use_stats_order_queues: Flag = False
    shipping_profit_percent: Amount | None = None
    use_verbose_logging: Flag = False
    """If true, an order's log tells of each step of its runs, also of those left out, and why."""
    included_order_types_for_revenue_stats: Names = ("Pos", "Online")
    included_order_statuses_for_revenue_stats: Names | None = None
    """Absent means all."""
    use_order_status_log: Flag = False
    is_order_calculator_run_on_import: Flag = False

    # Comments, cancellation, manual steps.
    is_notification_requirement_disabled_for_comments: Flag = False
    is_use_salesperson_as_sender: Flag = False
    comment_templates: Annotated[TupleOf[CommentTemplate], distinct("template_name")] = ()
    cancel_order_if_all_line_items_cancelled: Flag = False
    cancellation_types: _Reasons = ()
    available_manual_workflow_steps: TupleOf[WorkflowStep] = ()
    """The steps that may be run by hand; if it names none, every step may."""

    # Gift cards.
    gift_card_sku: str | None = None
    gift_card_completed_status: str | None = None
    gift_card_valid_months: _Count | None = None
    gift_card_template: str | None = None

    # Parts of their own.
    order_line_settings: OrderLineSettings = OrderLineSettings()
    return_settings: ReturnSettings = ReturnSettings()
    replacement_settings: ReplacementSettings = ReplacementSettings()
    subscription_settings: SubscriptionSettings = SubscriptionSettings()
    order_automation_settings: OrderAutomationSettings = OrderAutomationSettings()

    # Properties and tags.
    default_properties: Annotated[TupleOf[DefaultProperty], distinct("key_group", "key")] = ()
    highlighted_properties: Names = ()
    facet_properties: Names = ()
    """Properties to filter by, counted in the facets of a search."""
    tag_settings: Annotated[TupleOf[TagSetting], distinct("name")] = ()
    highlighted_external_ids: Names = ()
    highlighted_shipment_external_ids: Names = ()

    # Our own.
    strict_references: Flag = False
    """If true, an unknown market or store is refused, not only warned of."""
    reject_unknown_fields: Flag = False
    """If true, members that no model knows are refused, not only listed."""
    search_page_base: Annotated[Whole, Field(ge=0, le=1)] = 1
    """The number of the first page of a search: 0 as the guide says, 1 as the reference does."""
    auth_expires_within_days: Annotated[Whole, Field(ge=0, le=3650)] = 7
    """How soon an authorization expires that a search by showOrdersWithAuthExpires finds."""
    search_wrapper: Annotated[_SearchWrapper, spelled(get_args(_SearchWrapper))] = "both"
    """Which names the answer to a search has: the reference's, the guide's, or both."""
    is_order_percentage_of_discounted_prices: Flag = False
    """If true, a percentage off the order is of the prices after line discounts, not before."""
    remaining_payment_legacy_sign: Flag = False
    """If true, remainingPayment is negative while the customer owes, as the guide's formula."""
    strict_seed: Flag = False
    """If true, GetOrders needs a store, as the reference says."""
    allow_secret_key_access: Flag = False
    """If true, whoever knows an order's secretKey may read it without a token."""
    version_retention_days: Annotated[Whole, Field(ge=FEWEST_KEPT_DAYS)] | None = None
    """How long versions of orders, and with them their event log, are kept at least; absent means
    for ever. It holds for versions made from then on; some go up to a week later."""
    automation_interval_seconds: _Count = 30
    """From one run of the automations to the next (decided 1.7), unless the scheduled task
    OrderAutomation has an interval of its own."""
    omneo: OmneoSettings = OmneoSettings()

    def orders_kept_days(self) -> int | None:
        """Return after how many days orders are deleted; None keeps them for ever."""
        threshold = self.delete_orders_threshold
        if threshold is None or threshold > _MOST_YEARS:
            return threshold
        return threshold * 365

    def manual_steps(self, known: Iterable[str]) -> tuple[WorkflowStep, ...]:
        """Return which of the known steps may be run by hand, as they are configured (S2).

        One that is not active may not, nor a group, which is not one step.
        """
        configured = self.available_manual_workflow_steps
        if not configured:
            return tuple(WorkflowStep(name=name) for name in known)
        names = {name.casefold() for name in known}
        return tuple(
            step
            for step in configured
            if step.active and step.group_id is None and step.name.casefold() in names
        )
