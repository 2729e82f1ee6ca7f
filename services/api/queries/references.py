"""References from one document of the settings to another that does not exist (decided 1.4).

They are stored, since documents are sent one after the other, and whoever stores them is told.
"""

from collections.abc import Iterable, Iterator

from contracts.model import Model
from contracts.settings import (
    DELETE_OLD,
    ORDER_AUTOMATION,
    ORDER_VALIDATOR,
    Configuration,
    OrderSettings,
    OrderType,
    Store,
    WorkflowStep,
)


class Warned(Model):
    """A reference to something that is not configured, and the place where it stands."""

    document: str
    path: str
    message: str


Found = Iterator[tuple[str, str, str]]
"""Path, what it should name, and the name."""


class _Known:
    """What is configured, by its kind in words; names count without regard to case."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        named = {
            "connector": [
                name
                for one in configuration.connectors
                for name in (one.connector_id, one.name)
                if name
            ],
            "market": [one.market_id for one in configuration.markets],
            "market group": [
                name
                for one in configuration.markets
                for name in (one.market_group_id, one.market_id)
                if name
            ],
            "store": [one.store_id for one in configuration.stores],
            "order type": [one.name for one in configuration.order_types],
            "status": [
                status.name for one in configuration.order_types for status in one.order_statuses
            ],
            "step group": [one.group_id for one in configuration.step_groups],
            "number type": [one.number_type for one in configuration.number_options],
            "active scheduled task": [
                one.name for one in configuration.scheduled_tasks if one.active
            ],
        }
        self._names = {kind: {n.casefold() for n in names} for kind, names in named.items()}

    def lacks(self, kind: str, name: str) -> bool:
        return name.casefold() not in self._names[kind]


def dangling(configuration: Configuration) -> list[Warned]:
    """Return every reference that leads nowhere."""
    known = _Known(configuration)
    documents = {
        "OrderSettings": _of_order_settings(configuration.order_settings),
        "OrderTypes": _of_order_types(configuration.order_types),
        "Markets": (
            (f"[{at}].paymentOptions[{place}].connector", "connector", option.connector)
            for at, market in enumerate(configuration.markets)
            for place, option in enumerate(market.payment_options)
            if option.connector
        ),
        "Stores": _of_stores(configuration.stores),
        "Connectors": (
            (f"[{at}].markets[{place}]", "market", name)
            for at, connector in enumerate(configuration.connectors)
            for place, name in enumerate(connector.markets)
        ),
        "NumberOptions": (
            (f"[{at}].marketGroupId", "market group", option.market_group_id)
            for at, option in enumerate(configuration.number_options)
            if option.market_group_id
        ),
        "StepGroups": (
            found
            for at, group in enumerate(configuration.step_groups)
            for found in _of_steps(f"[{at}].steps", group.steps)
        ),
    }
    return [
        Warned(document=document, path=path, message=f"no {kind} {name!r} is configured")
        for document, references in documents.items()
        for path, kind, name in references
        if known.lacks(kind, name)
    ]


def _of_order_types(kinds: Iterable[OrderType]) -> Found:
    for at, kind in enumerate(kinds):
        if kind.order_number_type:
            yield f"[{at}].orderNumberType", "number type", kind.order_number_type
        for place, status in enumerate(kind.order_statuses):
            yield from _of_steps(
                f"[{at}].orderStatuses[{place}].workflowSteps", status.workflow_steps
            )
            if status.main_order_status:
                path = f"[{at}].orderStatuses[{place}].mainOrderStatus"
                yield path, "status", status.main_order_status


def _of_steps(path: str, steps: Iterable[WorkflowStep]) -> Found:
    for at, step in enumerate(steps):
        here = f"{path}[{at}]"
        if step.connector:
            yield f"{here}.connector", "connector", step.connector
        if step.group_id:
            yield f"{here}.groupId", "step group", step.group_id
        for member, kind, names in (
            ("enabledForMarkets", "market", step.enabled_for_markets),
            ("disabledForMarkets", "market", step.disabled_for_markets),
            ("enabledForStores", "store", step.enabled_for_stores),
            ("disabledForStores", "store", step.disabled_for_stores),
            ("enabledForWarehouses", "store", step.enabled_for_warehouses),
            ("disabledForWarehouses", "store", step.disabled_for_warehouses),
        ):
            for place, name in enumerate(names):
                yield f"{here}.{member}[{place}]", kind, name
        for place, item in enumerate(step.properties):
            if (item.key or "").casefold() in {"tostatus", "fromstatus"} and item.value:
                yield f"{here}.properties[{place}].value", "status", item.value


def _of_stores(stores: Iterable[Store]) -> Found:
    for at, store in enumerate(stores):
        for place, name in enumerate(store.market_ids):
            yield f"[{at}].marketIds[{place}]", "market", name


def _of_order_settings(settings: OrderSettings) -> Found:
    returns, omneo = settings.return_settings, settings.omneo
    for path, kind, name in (
        ("defaultReplacementOrderType", "order type", settings.default_replacement_order_type),
        ("defaultQuickProcessOrderStatus", "status", settings.default_quick_process_order_status),
        ("giftCardCompletedStatus", "status", settings.gift_card_completed_status),
        (
            "returnSettings.defaultReturnOrderType",
            "order type",
            returns.default_return_order_type,
        ),
        ("omneo.storeId", "store", omneo.store_id),
        ("omneo.marketId", "market", omneo.market_id),
        ("omneo.orderType", "order type", omneo.order_type),
        ("omneo.warehouseCode", "store", omneo.warehouse_code),
    ):
        if name:
            yield path, kind, name
    if settings.is_order_validation_enabled:
        yield "isOrderValidationEnabled", "connector", ORDER_VALIDATOR
    for at, name in enumerate(settings.included_order_statuses_for_revenue_stats or ()):
        yield f"includedOrderStatusesForRevenueStats[{at}]", "status", name
    if settings.delete_orders_threshold is not None:
        yield "deleteOrdersThreshold", "active scheduled task", DELETE_OLD
    automations = settings.order_automation_settings.order_automations
    if automations:
        path = "orderAutomationSettings.orderAutomations"
        yield path, "active scheduled task", ORDER_AUTOMATION
    for at, automation in enumerate(automations):
        here = f"orderAutomationSettings.orderAutomations[{at}]"
        yield f"{here}.orderType", "order type", automation.order_type
        yield f"{here}.status", "status", automation.status
        yield f"{here}.newStatus", "status", automation.new_status
    yield from _of_steps("availableManualWorkflowSteps", settings.available_manual_workflow_steps)
    for at, status in enumerate(returns.return_statuses):
        yield from _of_steps(
            f"returnSettings.returnStatuses[{at}].workflowSteps", status.workflow_steps
        )
