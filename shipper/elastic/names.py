"""Names of the data streams and of the index in which a namespace's documents are."""

from __future__ import annotations

from collections.abc import Iterable

from shipper.config import DATASETS

SIDECAR = "sidecar"
"""The dataset of what sidecars report of themselves: no log, so no view shows it unless it is asked for."""


def streams_of(namespace: str, datasets: Iterable[str] = DATASETS) -> list[str]:
    """The data streams of these datasets, in their order; by default of all logs."""
    return [f"logs-neuroflow.{dataset}-{namespace}" for dataset in datasets]


def run_index(namespace: str) -> str:
    """The name of the index that holds a namespace's run documents."""
    return f"neuroflow-runs-{namespace}"
