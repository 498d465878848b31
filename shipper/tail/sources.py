"""Which inputs there are: those that neuroflow has, and those that the configuration adds."""

from __future__ import annotations

import glob
from pathlib import Path

from shipper.config import Config
from shipper.tail.found_files import Source


def sources_of(config: Config) -> list[Source]:
    """The built-in inputs and those that the configuration adds."""
    extra = [Source(path, one.format, one.dataset) for one in config.shipper.inputs for path in one.paths]
    layouts = config.shipper.layouts
    return [
        source._replace(layouts=layouts) if source.format == "celery" else source
        for source in extra + builtin_sources(config.log_dir)
    ]


def builtin_sources(log_dir: Path) -> list[Source]:
    """The files that neuroflow writes under its log directory."""
    root = glob.escape(str(log_dir))
    return [
        Source(f"{root}/neuroflow.log", "auto", "app"),
        Source(f"{root}/workflow.log", "auto", "workflow"),
        Source(f"{root}/celery/*.log", "celery", "celery"),
        Source(f"{root}/worker.log", "celery", "celery"),
        Source(f"{root}/huey.log", "celery", "celery"),
        Source(f"{root}/audit/audit_*.jsonl", "audit", "audit"),
        Source(f"{root}/pipelines/*/*.log", "pipeline", "pipeline"),
        Source(f"{root}/*/*_ses-*.log", "console", "pipeline"),
    ]
