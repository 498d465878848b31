"""What libraries, Python and bugs write becomes lines of the sidecar's log."""

from __future__ import annotations

import json
import subprocess
import sys

CODE = """
import logging, threading, warnings
from shipper.health import own_log, strays
own_log.configure_log(lambda text: text.replace("hunter2", "***"), "json")
strays.adopt()
for _ in range(3):
    warnings.warn("of hunter2\\n\x1b]0;x\x07", stacklevel=1)
    logging.getLogger("library").warning("many %s", "hunter2")
logging.getLogger("library").info("not said before either")
logging.getLogger("library").error("%d", "does not fit")

class Odd:
    def __del__(self):
        raise ValueError("hunter2 in __del__")

Odd()
thread = threading.Thread(target=lambda: 1 / 0, name="hunter2")
thread.start()
thread.join()
raise KeyError("hunter2\\n{}")
"""


def test_all_of_it_is_json() -> None:
    """Each line is an object without the secret; tracebacks are in it; the process ends with 1 as it would have."""
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", CODE], stderr=subprocess.PIPE, check=False, timeout=60, text=True
    )
    assert 1 == done.returncode
    assert "hunter2" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    said = [(line["level"], line["event"]) for line in lines]
    sentence = "an error that nothing expects ({}); please report it"
    assert [
        ("warning", "UserWarning: of ***\n\x1b]0;x\x07 (<string>:7)"), ("warning", "library: many ***"),
        ("warning", "library: %d"), ("critical", "an error is ignored: " + sentence.format("ValueError")),
        ("critical", "thread *** ended: " + sentence.format("ZeroDivisionError")),
        ("critical", "the sidecar ends: " + sentence.format("KeyError")),
    ] == said  # fmt: skip
    assert ["ValueError: *** in __del__", "ZeroDivisionError: division by zero"] == [
        line["exception"].splitlines()[-1] for line in lines[3:5]
    ]
