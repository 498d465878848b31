"""Which inputs there are: those that neuroflow has, and those that the configuration adds."""

from __future__ import annotations

import glob
from pathlib import Path

from shipper.config import Config, Dataset, Format
from shipper.tail.found_files import Source


def sources_of(config: Config) -> list[Source]:
    """The built-in inputs and those that the configuration adds."""
    extra = [Source(path, one.format, one.dataset) for one in config.shipper.inputs for path in one.paths]
    layouts = config.shipper.layouts
    return [
        source._replace(layouts=layouts) if source.format == "celery" else source
        for source in extra + builtin_sources(config.log_dir)
    ]


def link_targets(config: Config) -> list[str]:
    """Where links of any input may lead."""
    return [str(config.log_dir), *map(str, config.shipper.follow_links_to)]


def builtin_sources(log_dir: Path) -> list[Source]:
    """The files that neuroflow writes under its log directory."""
    root = glob.escape(str(log_dir))
    patterns: list[tuple[str, Format, Dataset]] = [
        ("neuroflow.log", "auto", "app"),
        ("workflow.log", "auto", "workflow"),
        ("celery/*.log", "celery", "celery"),
        ("worker.log", "celery", "celery"),
        ("huey.log", "celery", "celery"),
        ("audit/audit_*.jsonl", "audit", "audit"),
        ("pipelines/*/*.log", "pipeline", "pipeline"),
        ("*/*_ses-*.log", "console", "pipeline"),
    ]
    return [Source(f"{root}/{pattern}", form, dataset, root=str(log_dir)) for pattern, form, dataset in patterns]
