"""The script that people write instead of a shipper: the official client's ``streaming_bulk`` over files of lines.

A process of its own, which imports nothing of ours, so that its cost is the client's.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elasticsearch import Elasticsearch
from elasticsearch.helpers import streaming_bulk


def _actions(index: str, pattern: str, *, as_json: bool) -> Iterator[dict[str, Any]]:
    for path in sorted(Path(pattern).parent.glob(Path(pattern).name)):
        with path.open("rb") as file:
            for line in file:
                source = json.loads(line) if as_json else {"message": line.decode().rstrip("\n")}
                yield {"_op_type": "create", "_index": index, "_source": source}


def main() -> None:
    """Send all lines."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("url")
    options.add_argument("index")
    options.add_argument("files", help="a shell pattern")
    options.add_argument("--json", action="store_true", help="each line is a JSON object")
    options.add_argument("--gzip", action="store_true")
    asked = options.parse_args()
    client = Elasticsearch(asked.url, http_compress=asked.gzip)
    actions = _actions(asked.index, asked.files, as_json=asked.json)
    deque(streaming_bulk(client, actions, chunk_size=1000), maxlen=0)


if __name__ == "__main__":
    main()
