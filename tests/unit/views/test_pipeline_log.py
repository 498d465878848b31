from __future__ import annotations

import base64

import pytest

from shipper.elastic.answers import NoAnswerError
from shipper.elastic.search_answers import Hit
from shipper.views.pipeline_log import Attempt, content, latest


def attempt(path: str, created: float = 0, generation: str = "") -> Attempt:
    """An attempt, named by its file unless the test gives a name."""
    return Attempt(generation or path, path, created)


OLD = attempt("/p/mriqc_2_20261123_124412.log", created=9)
NEW = attempt("/p/mriqc_2_20261124_000000.log", created=1)


@pytest.mark.parametrize(
    ("found", "newest"),
    [
        ([], None), ([OLD], OLD), ([OLD, NEW], NEW), ([NEW, OLD], NEW),
        # The name of a rotated or packed file says the same.
        ([OLD, attempt("/p/mriqc_2_20261125_000000.log.1.gz")], attempt("/p/mriqc_2_20261125_000000.log.1.gz")),
        ([OLD, attempt("/p/run_2_20261125_000000.log")], attempt("/p/run_2_20261125_000000.log")),
        # The same name again (the file was written anew): what was read last.
        ([attempt(OLD.path, 1, "a"), attempt(OLD.path, 2, "b")], attempt(OLD.path, 2, "b")),
        # A file of another run, or of none, that only mentions this one stands back.
        ([OLD, attempt("/p/mriqc_3_20271123_124412.log", 99)], OLD),
        ([OLD, attempt("/q/sub-001_ses-01.log", 99)], OLD),
        ([attempt("/q/a.log", 1), attempt("/q/b.log", 2)], attempt("/q/b.log", 2)),
        # A run whose number looks like a date is not every run of that day.
        ([OLD, attempt("/p/mriqc_20261123_20261123_124500.log", 99)], OLD),
    ],
)  # fmt: skip
def test_latest(found: list[Attempt], newest: Attempt | None) -> None:
    """The file's name decides, then its timestamp, then the time of reading."""
    assert latest(found, 2) == newest


def test_content_is_the_bytes_of_the_file() -> None:
    """The original bytes where they are kept, otherwise message and line feed."""
    hits: list[Hit] = [
        {"_source": {"message": "ö"}},
        {"_source": {"message": ""}},
        {"_source": {"message": "shown", "neuroflow": {"original": base64.b64encode(b"\xff\r\n").decode()}}},
        {"_source": {"message": "no end", "neuroflow": {"original": base64.b64encode(b"no end").decode()}}},
    ]
    assert content(hits) == "ö\n\n".encode() + b"\xff\r\nno end"


@pytest.mark.parametrize(
    "source",
    [
        {}, {"message": None}, {"message": 7}, {"neuroflow": {"original": "no base64"}},
        {"neuroflow": {"original": 7}}, {"neuroflow": [], "message": "m"},
    ],
)  # fmt: skip
def test_content_is_all_or_nothing(source: dict[str, object]) -> None:
    """A document without its bytes ends the log with an error."""
    with pytest.raises(NoAnswerError, match="can't be understood"):
        content([{"_source": source}])
