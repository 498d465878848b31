"""Time, level, logger and node in lines of a container's output."""

from __future__ import annotations

import pytest

from shipper.parse import output_lines, output_state
from shipper.parse.output_state import Above
from shipper.parse.records import Record

UUID = "2c6d0e1a-0b1c-4d2e-8f3a-1234567890ab"


@pytest.mark.parametrize(
    ("line", "stamp", "level", "logger", "node"),
    [
        ("261127-02:14:07,963 nipype.workflow ERROR:", "2026-11-27T02:14:07.963", "error", "nipype.workflow", ""),
        # Milliseconds have no leading noughts there.
        ("261127-02:14:07,7 nipype.workflow INFO:", "2026-11-27T02:14:07.007", "info", "nipype.workflow", ""),
        ("261127-02:14:07,63 cli IMPORTANT:", "2026-11-27T02:14:07.063", "important", "cli", ""),
        ("261127-02:14:07,63 nipype.utils WARNING: Old", "2026-11-27T02:14:07.063", "warning", "nipype.utils", ""),
        ("261127-02:14:07,63 nipype Level 25:", "2026-11-27T02:14:07.063", "info", "nipype", ""),
        ("#@# MotionCor Fri Nov 27 02:14:07 UTC 2026", "2026-11-27T02:14:07Z", "", "recon-all", "MotionCor"),
        ("#@# Fix Topology Fri Nov  7 02:14:07 IST 2026", "2026-11-07T02:14:07", "", "recon-all", "Fix Topology"),
        (
            "recon-all -s a finished without error at Fri Nov 27 02:14:07 UTC 2026",
            "2026-11-27T02:14:07Z", "", "recon-all", "",
        ),
        (
            "recon-all -s a exited with ERRORS at Fri Nov 27 02:14:07 EST 2026",
            "2026-11-27T02:14:07-05:00", "error", "recon-all", "",
        ),
        ("Fri 27 Nov 2026 12:14:07 AM UTC", "2026-11-27T00:14:07Z", "", "", ""),
        ("Fri Nov 27 02:14:07 PM UTC 2026", "2026-11-27T14:14:07Z", "", "", ""),
        ("[Fri Nov 27 02:14:07 2026]", "2026-11-27T02:14:07", "", "", ""),
        ("@#@FSLOADPOST 2026:11:27:02:14:07 mri_convert N 2 0.5 0.4", "2026-11-27T02:14:07", "", "mri_convert", ""),
        ("2026-11-27 02:14:07,963 - mriqc - INFO - text", "2026-11-27T02:14:07.963", "info", "mriqc", ""),
        ("2026-11-27 02:14:07,963 [INFO] mriqc: text", "2026-11-27T02:14:07.963", "info", "mriqc", ""),
        ("2026-11-27 02:14:07.963 | ERROR    | a.b:f:12 - text", "2026-11-27T02:14:07.963", "error", "a.b", ""),
        ("2026-11-27 02:14:07,963 mriqc.cli INFO text", "2026-11-27T02:14:07.963", "info", "mriqc.cli", ""),
        ("2026-11-27T02:14:07+02:00 text", "2026-11-27T02:14:07+02:00", "", "", ""),
        ("[2026/11/27 02:14:07] text", "2026-11-27T02:14:07", "", "", ""),
        ("mrconvert: [ERROR] error opening x", "", "error", "mrconvert", ""),
        ("dwi2mask:  [WARNING] there is one", "", "warning", "dwi2mask", ""),
        ("\x1b[03;31mmrconvert: [ERROR] no\x1b[0m", "", "error", "mrconvert", ""),
        ("mri_convert: ERROR: no", "", "error", "mri_convert", ""),
        ("ERROR: cannot find x", "", "error", "", ""),
        ("WARNING: In /x/itk.cxx, line 99", "", "warning", "", ""),
        ("Warning: 2D image", "", "warning", "", ""),
        ("Error: Unable to find any DICOM images", "", "error", "", ""),
        ("\t1: [ERR] Files with such naming scheme (code: 1 - NOT_INCLUDED)", "", "error", "", ""),
        ("\t\x1b[33m[WARNING] TSV_ADDITIONAL_COLUMNS_UNDEFINED\x1b[0m", "", "warning", "", ""),
        ("INFO: Running heudiconv version 1.0.0", "", "info", "", ""),
        ("INFO:root:text", "", "info", "root", ""),
        ("[INFO: run_prediction.py:  100]: text", "", "info", "", ""),
        ("slurmstepd: error: *** JOB 12 CANCELLED", "", "error", "slurmstepd", ""),
        ("/opt/x.py:12: UserWarning: text", "", "warning", "py.warnings", ""),
    ],
)  # fmt: skip
def test_time_level_logger_and_node(line: str, stamp: str, level: str, logger: str, node: str) -> None:
    """The forms of each tool are recognised."""
    said = output_lines.fields_of(line)
    assert said is not None
    assert (stamp, level, logger, node) == said[:4]


@pytest.mark.parametrize(
    "line",
    [
        "", "text", "0 1000 2000", "Information: x", "error of estimate", "Errors: 3", "Mean error: 0.5",
        "991399-02:14:07,963 nipype ERROR:", "#@# x Fri Nov 37 02:14:07 UTC 2026", "2026-13-01 00:00:00 x",
        "mrcalc: [ 50%] computing", "mrinfo: [done] computing", '\t [Node] Executing "about" <x>',
        "building since Fri Nov 27 02:14:07 UTC 2026", "Compiled: Nov  3 2023 12:00:00", "261127", "10:00:00",
    ],
)  # fmt: skip
def test_other_lines_say_nothing_of_themselves(line: str) -> None:
    """Numbers, sentences with such words, and invalid times have none."""
    assert output_lines.fields_of(line) is None


@pytest.mark.parametrize(
    ("message", "node"),
    [
        ('\t [Node] Setting-up "fmriprep_wf.sub_01_wf.about" in "/work/x".', "fmriprep_wf.sub_01_wf.about"),
        ('\t [Node] Executing "about" <fmriprep.interfaces.reports.AboutSummary>', "about"),
        ('\t [Node] Finished "about", elapsed time 0.005s.', "about"),
        ('\t [Node] "a.b" found cached.', "a.b"),
        ('\t [Node] Error on "a.b" (/work/x)', "a.b"),
        ("\t Node bold_mask failed to run on host c1.", "bold_mask"),
        ("\t [Job 5] Completed (fmriprep_wf.x.about).", "fmriprep_wf.x.about"),
        ("\t could not run node: fmriprep_wf.a.b", "fmriprep_wf.a.b"),
        ("Exception raised while executing Node _n4_correct0.", "_n4_correct0"),
        (f"\t Saving crash info to /out/crash-20261127-021407-root-bold_mask-{UUID}.txt", "bold_mask"),
        ("\t Running on node c1", ""),
        ("the model failed", ""),
    ],
)
def test_the_node_that_a_message_names(message: str, node: str) -> None:
    """Messages of nipype give the node's name."""
    assert node == output_lines.node_in(message)


def told(*lines: str) -> list[tuple[str, str, str]]:
    """Level, logger and node of each line."""
    above, found = Above(), []
    for at, line in enumerate(lines):
        record: Record = {}
        after = lines[at + 1] if at + 1 < len(lines) else None
        above = output_state.add(record, line, at, Above.of(str(above)), after)
        found.append((record.get("level", ""), record.get("logger", ""), record.get("output_node", "")))
    return found


def test_what_a_head_reaches() -> None:
    """A prefix applies to its indented lines and the traceback below, up to another line."""
    of_node = ("error", "nipype.workflow", "bold_mask")
    lines = [
        ("261127-02:14:07,963 nipype.workflow ERROR:", of_node),
        ("\t Node bold_mask failed to run on host c1.", of_node),
        ("\t more", of_node),
        ("Traceback (most recent call last):", of_node),
        ('  File "x.py", line 1, in f', of_node),
        ("NodeExecutionError: no", of_node), ("", ("", "", "")), ("\tRuntimeError: no", of_node),
        ("text", ("", "", "")), ("\t more", ("", "", "")), ("WARNING: x", ("warning", "", "")), ("", ("", "", "")),
        ("  y", ("", "", "")),
    ]  # fmt: skip
    assert [wanted for _, wanted in lines] == told(*(line for line, _ in lines))
