"""`recovery`: the long form of the ordeal by fire, and how long customers waited for answers."""

import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench.places import Say
from tests.faults.fire import burning, ordeal


async def run(say: Say, *, orders: int = 5000) -> dict[str, Any]:
    """Kill everything under load; report the pauses that customers saw and what was lost."""
    with tempfile.TemporaryDirectory(
        prefix="kontor-fire-", ignore_cleanup_errors=True
    ) as directory:
        async with burning(Path(directory), say) as fire:
            found = await ordeal(
                fire, orders=orders, together=64, pause=5.0, stopped=20.0, seconds=600
            )
    answered = sorted(end for _, end in fire.client.answers)
    gaps = [later - earlier for earlier, later in pairwise(answered)]
    lost = set(fire.client.acknowledged) - set(found["stored"])
    return {
        "benchmark": "recovery",
        "rows": [
            {
                "load": f"{orders} orders, every part killed, one stopped for 20 s",
                "floor": {"lost": 0, "differences": 0},
                "kontor": {
                    "lost": len(lost),
                    "differences": len(found["reconcile"]["differences"]),
                    "longest_pause_s": round(max(gaps), 1),
                    "copies_injected": found["copies"],
                },
                "ratio": 1.0 if not lost else 0.0,
            }
        ],
    }
