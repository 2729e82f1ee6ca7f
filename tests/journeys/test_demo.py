"""`kontor demo`, as somebody runs it who has just cloned the project."""

import re
import subprocess
import sys
from pathlib import Path

from tests.journeys.up import environment


def test_tells_the_story_of_the_example_order_to_its_end(tmp_path: Path) -> None:
    told = {**environment(embedded=sys.platform == "linux"), "TMPDIR": str(tmp_path)}

    shown = subprocess.run(
        (sys.executable, "-m", "services", "demo"),
        env=told,
        capture_output=True,
        text=True,
        check=False,
        timeout=150,
    )

    story = shown.stdout
    assert shown.returncode == 0, story[-3000:] + shown.stderr[-3000:]
    assert "\x1b" not in story  # no colours where there is no terminal
    assert story.count("✓") >= 15
    assert "order.created, sequence 1, signature verified by standardwebhooks" in story
    assert re.search(r"ce_type +order\.created", story)
    assert re.search(r"idempotencyReplayed +true", story)
    assert re.search(r"status +409", story)
    assert "step CapturePayments: Success" in story
    assert re.search(r"isModified +True", story, re.IGNORECASE)
    assert re.search(r"file +.+/receipt-ORD-2024-000001\.pdf", story)
    assert re.search(r"differences +\[\]", story)
    assert list(tmp_path.iterdir()) == []
