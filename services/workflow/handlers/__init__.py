"""One function per message: load, decide, save, send."""

from services.workflow.handlers.change import changing
from services.workflow.handlers.erase import erase_order
from services.workflow.handlers.log import write_log
from services.workflow.handlers.run import (
    import_orders,
    place_numbered_order,
    place_order,
    step_finished,
    time_run_out,
    update_order_status,
)

__all__ = [
    "changing",
    "erase_order",
    "import_orders",
    "place_numbered_order",
    "place_order",
    "step_finished",
    "time_run_out",
    "update_order_status",
    "write_log",
]
