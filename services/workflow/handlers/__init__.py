"""One function per message: load, decide, save, send."""

from services.workflow.handlers.change import changing
from services.workflow.handlers.run import (
    place_order,
    step_finished,
    time_run_out,
    update_order_status,
)

__all__ = ["changing", "place_order", "step_finished", "time_run_out", "update_order_status"]
