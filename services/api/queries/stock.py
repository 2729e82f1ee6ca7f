"""Stock as clients read it."""

from services.chassis.mongo import Database


class Stock:
    """The collection `stock`, which the inventory service owns."""

    def __init__(self, database: Database) -> None:
        self._stock = database["stock"]
