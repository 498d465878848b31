"""The output of the demonstration's pipelines: text like that of neuroimaging tools, with colours and tracebacks."""

from __future__ import annotations

import random
from collections.abc import Iterator

_NODES = {
    "bids_conversion": ("heudiconv", "dcm2niix", "bids_validator", "sidecar_fix"),
    "qsiprep": ("b0_ref_wf", "denoise", "hmc_sdc_wf", "t1_2_mni", "carpetplot_wf"),
    "qsirecon": ("mrtrix_csd", "tractography", "sift2", "connectivity"),
    "qsiparc": ("parcellate", "merge_tables", "write_tsv"),
}


def lines(rng: random.Random, pipeline: str, subject: str, steps: int) -> Iterator[tuple[str, str]]:
    """Pieces of output in order, each with its stream: ``stdout`` or ``stderr``."""
    yield "stdout", f"{pipeline} v1.1.1\nRunning with {rng.choice((4, 8, 16))} threads, 16 GB\n\n"
    for step in range(steps):
        node = rng.choice(_NODES[pipeline])
        hour, minute, second = step // 3, rng.randrange(60), rng.randrange(60)
        stamp = f"260101-{hour:02}:{minute:02}:{second:02},{rng.randrange(1000)}"
        if step % 6 == 3:
            setting_up = f'[Node] Setting-up "{pipeline}_wf.{node}" in "/scratch/{subject}"'
            yield "stdout", f"{stamp} nipype.workflow INFO:\n\t {setting_up}\n"
        elif step % 6 == 5:
            yield "stdout", f"\x1b[32m✓\x1b[0m {node}: {rng.random() * 40:.1f} s — Δ = {rng.random():.3f}\n"
        else:
            yield "stdout", f"{stamp} nipype.workflow INFO: [{node}] volume {step}/{steps} of {subject}\n"
    if rng.random() < 0.3:
        yield "stderr", "WARNING: FOV differs from the reference [tolerated]\n"


def failure(error: str, pipeline: str) -> str:
    """The text on stderr before the container fails."""
    return (
        f"Node: {pipeline}_wf.final\nTraceback (most recent call last):\n"
        f'  File "/opt/conda/bin/{pipeline}", line 8, in <module>\n    sys.exit(main())\n'
        f"RuntimeError: {error}\n\n"
    )
