"""What a document says: an order as texts, in the language of its market.

The texts are ready to be set; the templates choose which of them stand where. Amounts are the
stored ones: nothing is calculated here but sums by tax rate.
"""

from services.api.entrypoints.documents.content.extent import UnknownShipment
from services.api.entrypoints.documents.content.sheet import Sheet
from services.api.entrypoints.documents.content.writer import sheet

__all__ = ["Sheet", "UnknownShipment", "sheet"]
