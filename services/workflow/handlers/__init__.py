"""One function per message: load, decide, save, send."""

from services.workflow.handlers.cancel_run import cancel_run
from services.workflow.handlers.change import changing, validating
from services.workflow.handlers.erase import erase_order
from services.workflow.handlers.log import write_log
from services.workflow.handlers.run import (
    import_orders,
    place_numbered_order,
    place_order,
    place_pos_order,
    step_finished,
    time_run_out,
)
from services.workflow.handlers.schedule import (
    automate_order,
    record_look,
    run_scheduled_task,
    try_reserve_order_lines,
)
from services.workflow.handlers.validate import order_validated, record_answer

__all__ = [
    "automate_order",
    "cancel_run",
    "changing",
    "erase_order",
    "import_orders",
    "order_validated",
    "place_numbered_order",
    "place_order",
    "place_pos_order",
    "record_answer",
    "record_look",
    "run_scheduled_task",
    "step_finished",
    "time_run_out",
    "try_reserve_order_lines",
    "validating",
    "write_log",
]
