"""All settings together, arranged so that looking one up costs nothing."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Final

from pydantic import Field

from contracts.fields import Flag, Whole
from contracts.settings.markets import Connector, Market, NumberOption, Store
from contracts.settings.order_settings import OrderSettings
from contracts.settings.order_types import OrderType, StepGroup
from contracts.settings.setting import Name, Property, Setting, TupleOf, distinct, find, index


class ScheduledTask(Setting):
    """Something that happens by itself from time to time (domain 2.14).

    OrderAutomation, TryReserveOrderLines and DeleteOldOrders are run; others are kept.
    """

    name: Name
    active: Flag = True
    interval_seconds: Annotated[Whole, Field(ge=1)] | None = None
    """Absent means the task's own pace."""
    properties: TupleOf[Property] = ()


OrderTypes = Annotated[TupleOf[OrderType], distinct("name")]
Markets = Annotated[TupleOf[Market], distinct("market_id")]
Stores = Annotated[TupleOf[Store], distinct("store_id")]
Connectors = Annotated[TupleOf[Connector], distinct("connector_id")]
NumberOptions = Annotated[TupleOf[NumberOption], distinct("market_group_id", "number_type")]
StepGroups = Annotated[TupleOf[StepGroup], distinct("group_id")]
ScheduledTasks = Annotated[TupleOf[ScheduledTask], distinct("name")]

DOCUMENTS: Final[Mapping[str, type[Any]]] = {
    "OrderSettings": OrderSettings,
    "OrderTypes": OrderTypes,
    "Markets": Markets,
    "Stores": Stores,
    "Connectors": Connectors,
    "NumberOptions": NumberOptions,
    "StepGroups": StepGroups,
    "ScheduledTasks": ScheduledTasks,
}
"""The documents of `/api/Settings`, and what `parse` reads each as; a Configuration holds all."""


ORDER_VALIDATOR: Final = "webhookOrderValidator"
"""The name of the connector that validates orders (S2, order validation)."""
ORDER_AUTOMATION: Final = "OrderAutomation"
"""The name of the scheduled task that lets automations act (S2, order automation)."""
TRY_RESERVE: Final = "TryReserveOrderLines"
"""The name of the one that reserves for orders that wait for stock (decided 6.1)."""
DELETE_OLD: Final = "DeleteOldOrders"
"""The name of the one that deletes orders older than DeleteOrdersThreshold (domain 2.13)."""
_LONGEST_PACE: Final = 366 * 24 * 60 * 60
_VALIDATES: Final = "IWebhookOrderValidator"


class UnknownConnector(LookupError):
    """A payment option names a connector that is not configured, so no money may be assumed."""


class Configuration(Setting):
    """The settings in force. Names and ids are matched without regard to case."""

    version: Whole = 0
    """Grows with every change; 0 is what was shipped."""
    order_settings: OrderSettings = OrderSettings()
    order_types: OrderTypes = ()
    markets: Markets = ()
    stores: Stores = ()
    connectors: Connectors = ()
    number_options: NumberOptions = ()
    step_groups: StepGroups = ()
    scheduled_tasks: ScheduledTasks = ()

    def order_type(self, name: str | None) -> OrderType | None:
        """Return the type of this name; without a name the flagged default, else the first."""
        return find(self._order_types, name) if name is not None else self._default_order_type

    def market(self, market_id: str | None) -> Market | None:
        """Return the market with this id."""
        return find(self._markets, market_id)

    def store(self, store_id: str | None) -> Store | None:
        """Return the store or warehouse with this id."""
        return find(self._stores, store_id)

    def connector(self, connector_id: str | None) -> Connector | None:
        """Return the connector with this id, else the first of this name."""
        return find(self._connectors, connector_id)

    def connector_with(self, implementation: str, market_id: str | None) -> Connector | None:
        """Return the first connector that can do this: one for the market, else one for all."""
        return _able(self.connectors, implementation, market_id)

    def order_validator(self, market_id: str | None) -> Connector | None:
        """Return who validates orders of this market, if somebody is configured for it (S2)."""
        name = ORDER_VALIDATOR.casefold()
        named = [
            one
            for one in self.connectors
            if name in {one.connector_id.casefold(), (one.name or "").casefold()}
        ]
        return _able(named, _VALIDATES, market_id)

    def connector_for(self, market_id: str, payment_method: str) -> Connector | None:
        """Return who moves the money of this payment method; None if it is only recorded.

        :raises UnknownConnector: if the market's payment option names one that does not exist
        """
        market = self.market(market_id)
        option = market.payment_option(payment_method) if market else None
        if option is None or not option.connector:
            return None
        connector = self.connector(option.connector)
        if connector is None:
            raise UnknownConnector(option.connector)
        return connector

    def number_option(self, number_type: str, market_id: str | None) -> NumberOption | None:
        """Return how numbers of this type are made in this market; None means a GUID.

        The market's own entry, which names it as its group, comes first, then that of the market's
        group, then the one without a group, then any (domain 2.14).
        """
        of_type = self._number_options.get(_number_type(number_type), {})
        market = self.market(market_id)
        groups = (market.market_id, market.market_group_id or "", "") if market else ("",)
        fitting = (of_type[name] for name in map(str.casefold, groups) if name in of_type)
        return next(fitting, next(iter(of_type.values()), None))

    def step_group(self, group_id: str | None) -> StepGroup | None:
        """Return the group of steps with this id."""
        return find(self._step_groups, group_id)

    def scheduled_task(self, name: str) -> ScheduledTask | None:
        """Return the scheduled task of this name."""
        return find(self._scheduled_tasks, name)

    def pace(self, task: str, *, usual: int) -> timedelta | None:
        """Return how long after a scheduled task has run it runs again; None while it is off.

        :param usual: the seconds, where the task has no interval of its own
        """
        found = self.scheduled_task(task)
        if found is None or not found.active:
            return None
        return timedelta(seconds=min(found.interval_seconds or usual, _LONGEST_PACE))

    def default_tax_rate(self, market_id: str | None) -> Decimal:
        """Return the market's tax in percent; 0 for a market that is not configured."""
        market = self.market(market_id)
        return market.default_tax_rate if market else Decimal(0)

    def is_tax_excluded(self, market_id: str | None) -> bool:
        """Tell whether prices in this market are without tax, and none is added."""
        market = self.market(market_id)
        return market is not None and market.is_tax_excluded

    @cached_property
    def _default_order_type(self) -> OrderType | None:
        flagged = (kind for kind in self.order_types if kind.default_order_type)
        return next(flagged, next(iter(self.order_types), None))

    @cached_property
    def _order_types(self) -> dict[str, OrderType]:
        return index(self.order_types, lambda kind: kind.name)

    @cached_property
    def _markets(self) -> dict[str, Market]:
        return index(self.markets, lambda market: market.market_id)

    @cached_property
    def _stores(self) -> dict[str, Store]:
        return index(self.stores, lambda store: store.store_id)

    @cached_property
    def _connectors(self) -> dict[str, Connector]:
        named = tuple(connector for connector in self.connectors if connector.name)
        return index(named, lambda connector: connector.name or "") | index(
            self.connectors, lambda connector: connector.connector_id
        )

    @cached_property
    def _number_options(self) -> dict[str, dict[str, NumberOption]]:
        by_type: dict[str, dict[str, NumberOption]] = {}
        for option in self.number_options:
            of_type = by_type.setdefault(_number_type(option.number_type), {})
            of_type[(option.market_group_id or "").casefold()] = option
        return by_type

    @cached_property
    def _step_groups(self) -> dict[str, StepGroup]:
        return index(self.step_groups, lambda group: group.group_id)

    @cached_property
    def _scheduled_tasks(self) -> dict[str, ScheduledTask]:
        return index(self.scheduled_tasks, lambda task: task.name)


def _able(
    connectors: Iterable[Connector], implementation: str, market_id: str | None
) -> Connector | None:
    able = [
        connector
        for connector in connectors
        if implementation.casefold() in map(str.casefold, connector.implementations)
    ]
    market = (market_id or "").casefold()
    for connector in able:
        if market in map(str.casefold, connector.markets):
            return connector
    return next((connector for connector in able if not connector.markets), None)


def _number_type(name: str) -> str:
    # Omnium calls the entry for orders OrderNumberOptions.
    return name.casefold().removesuffix("numberoptions")
