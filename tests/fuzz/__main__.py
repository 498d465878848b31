"""``make fuzz``: a hundred thousand broken lines of every format through the real sidecar into a real node. Each
has a mark. In the end every mark must be in a document, no document rejected, no mapping changed, and shipping
everything again without the state must add nothing.

Each bears a mark.  In the end every mark has to be in a document, nothing may be refused, no mapping may have grown,
and shipping all of it once more without the state must add nothing.
"""

from __future__ import annotations

import argparse
import secrets
import shutil
import sys
import tempfile
import uuid
from pathlib import Path

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.testnode.node import NodeError, running_node
from tests.fuzz.trial import Report, trial

_MAX_SHOWN = 20


def main() -> int:
    """The command line; 0 when all is well."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lines", type=int, default=100_000, help="how many lines, about (default: 100000)")
    parser.add_argument("--seed", type=int, help="of all dice; drawn and printed unless given")
    asked = parser.parse_args()
    seed = secrets.randbelow(10**6) if asked.seed is None else asked.seed
    print(f"fuzz: {asked.lines:,} lines, SEED={seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="neuroflow-fuzz-"))
    try:
        with running_node(say=lambda line: print(line, flush=True)) as node:
            es = connect(Settings(hosts=[node.url], request_timeout=60))
            report = trial(folder, es, node.url, f"fuzz{uuid.uuid4().hex[:8]}", asked.lines, seed)
            es.close()
    except NodeError as error:
        print(error, file=sys.stderr)
        return 1
    _show(report)
    if report.faults:
        print(f"kept: {folder}; again with SEED={seed}", file=sys.stderr)
        return 1
    shutil.rmtree(folder)
    return 0


def _show(report: Report) -> None:
    width = max(map(len, report.numbers))
    for name, number in report.numbers.items():
        print(f"  {name:{width}}  {number}")
    for fault in report.faults[:_MAX_SHOWN]:
        print(f"FAULT: {fault}")
    print("all is well" if not report.faults else f"{len(report.faults)} faults")


if __name__ == "__main__":
    sys.exit(main())
