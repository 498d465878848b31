from __future__ import annotations

import subprocess
import sys
import textwrap

PREPARED = """
import sys
from shipper.cli.imports import quick_start
quick_start()
from elasticsearch import Elasticsearch
client = Elasticsearch("http://127.0.0.1:9")
def loaded(name):
    return hasattr(sys.modules.get(name), "__file__")
"""


def printed(script: str) -> list[str]:
    """What a process prints that prepared its start and has a client."""
    command = [sys.executable, "-c", PREPARED + textwrap.dedent(script)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.splitlines()


def test_a_part_of_the_client_is_imported_when_it_is_used() -> None:
    """It is the client's own then, for every client; other parts are not imported."""
    found = printed("""
        part, ml = "elasticsearch._sync.client.indices", "elasticsearch._sync.client.ml"
        print(loaded(part), loaded(ml))
        for one in (client, client.options(request_timeout=1)):
            method = one.indices.refresh
            print(method.__self__._client is one, method.__func__ is sys.modules[part].IndicesClient.refresh)
        print(loaded(part), loaded(ml))
        print(hasattr(client.indices, "no_such_method"))
    """)
    assert ["False False", "True True", "True True", "True False", "False"] == found


def test_asyncio_is_imported_when_it_is_used() -> None:
    """The client does not need it; whoever does gets all of it."""
    found = printed("""
        import logging
        logging.warning("a message")
        print(loaded("asyncio"), loaded("asyncio.events"))
        import asyncio
        import asyncio.subprocess
        async def one():
            return 1
        print(asyncio.run(one()), asyncio.subprocess.PIPE, loaded("asyncio"))
    """)
    assert ["False False", "1 -1 True"] == found


def test_a_start_does_not_import_asyncio() -> None:
    """Neither does the sidecar's log, which is written with what the application logs with."""
    found = printed("""
        import shipper.cli.shipping, shipper.config, shipper.sidecar.sidecar
        from shipper.health.own_log import configure_log
        configure_log(form="json")
        print(loaded("asyncio"))
    """)
    assert ["False"] == found
