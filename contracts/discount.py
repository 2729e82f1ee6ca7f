"""What makes an order cheaper: discounts of orders, shipments and lines, and bonus points."""

from typing import Annotated, Literal, get_args

from contracts.fields import Flag, Int, ListOf, OpenObject, spelled
from contracts.model import Model
from contracts.money import Amount, Quantity

_DiscountType = Literal["None", "LineItem", "Order", "Shipping", "Manual", "BonusPoints"]
DiscountType = Annotated[
    _DiscountType,
    spelled(
        get_args(_DiscountType),
        **{word: number for number, word in enumerate(get_args(_DiscountType))},
    ),
]
"""What a discount lowers; read as the word or its number (0 to 5), written as the word."""

_RewardType = Literal[
    "None", "Money", "Percentage", "Free", "FixedPrice", "Gift", "MultiBuys", "Kit"
]
RewardType = Annotated[
    _RewardType,
    spelled(
        get_args(_RewardType),
        **{word: number for number, word in enumerate(get_args(_RewardType))},
    ),
]
"""How a discount lowers it; read as the word or its number (0 to 7), written as the word."""


class FixedPriceReward(Model):
    """So many for this price (OmniumPromotionFixedPriceReward)."""

    fixed_price_price: Amount | None = None
    fixed_price_quantity: Int | None = None


class MultiBuyReward(Model):
    """So many for the price of fewer (OmniumPromotionMultiBuyReward)."""

    required_buy_amount: Int | None = None
    number_of_discounted_items: Int | None = None
    percentage: Amount | None = None
    is_fixed_price: Flag | None = None
    use_percentage: Flag | None = None
    use_conditional_pricing: Flag | None = None
    use_tiered_pricing: Flag | None = None
    conditional_pricing: OpenObject | None = None
    promotion_advanced_reward: OpenObject | None = None
    promotion_amounts: ListOf[OpenObject] | None = None
    quantity_tiers: ListOf[OpenObject] | None = None


class LineDiscount(Model):
    """A discount on one line (OmniumOrderLineDiscount)."""

    discount_id: str | None = None
    discount_name: str | None = None
    discount_code: str | None = None
    discount_source: str | None = None
    """Manual or Campaign."""
    discount_value: Amount | None = None
    discount_amount: Amount | None = None
    discount_amount_pr_item: Amount | None = None
    """Times the quantity it is the line's discount."""
    max_discount_amount: Amount | None = None
    reward_type: RewardType | None = None
    priority: Int | None = None
    """Lower comes first."""
    always_apply: Flag | None = None
    can_be_combined_with_other_promotions: Flag | None = None
    is_bonus_points_reward: Flag | None = None
    promotion_fixed_price_reward: FixedPriceReward | None = None
    promotion_multi_buy_reward: MultiBuyReward | None = None


class Discount(Model):
    """A discount on an order form or a shipment (OmniumDiscount)."""

    discount_id: str | None = None
    discount_name: str | None = None
    discount_code: str | None = None
    discount_type: DiscountType | None = None
    discount_source: str | None = None
    """Manual or Campaign."""
    discount_value: Amount | None = None
    discount_amount: Amount | None = None
    max_discount_amount: Amount | None = None
    reward_type: RewardType | None = None
    priority: Int | None = None
    """Lower comes first."""
    sku_ids: ListOf[str] | None = None
    """The products it is for, when its type is LineItem."""
    always_apply: Flag | None = None
    can_be_combined_with_other_promotions: Flag | None = None
    is_bonus_points_reward: Flag | None = None
    promotion_fixed_price_reward: FixedPriceReward | None = None
    promotion_multi_buy_reward: MultiBuyReward | None = None


class BonusPoints(Model):
    """What a line earns, on hold until the order is done (OmniumOrderLineBonusPoints)."""

    earned_points: Quantity | None = None
    new_points_on_hold: Quantity | None = None
