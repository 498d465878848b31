"""OpenSearch and unsuitable versions of Elasticsearch are named as what they are, by everything that asks them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conformance.fake import Answer, Exchange, Fake, product, refuse, say
from tests.conformance.faked import FakedHarness
from tests.conformance.test_sidecar import expected, write
from tests.conformance.watched import Watched

OPENSEARCH = {
    "name": "node", "cluster_name": "lab",
    "version": {"distribution": "opensearch", "number": "2.11.0", "build_type": "tar", "lucene_version": "9.7.0"},
    "tagline": "The OpenSearch Project: https://opensearch.org/",
}  # fmt: skip
NEEDED = "neuroflow-ship needs Elasticsearch 8.13 or newer, or 9.x"
JSON = {"Content-Type": "application/json"}
COMMANDS = (
    ("shipper.cli.ship", "check"), ("shipper.cli.ship", "setup"), ("shipper.cli.ship", "rebuild-runs"),
    ("shipper.cli.logs", "show"), ("shipper.cli.logs", "stats"),
)  # fmt: skip


def elasticsearch(number: str) -> dict[str, Any]:
    """What a version says of itself."""
    version = {"number": number, "build_flavor": "default", "lucene_version": "8.11.1"}
    return {"version": version, "tagline": "You Know, for Search"}


def opensearch(one: Exchange, root: Answer | None = None) -> None:
    """It ignores the media type that is asked for, and refuses the one that is sent."""
    if one.path == "/":
        return (root or say(200, OPENSEARCH, Content_Type="application/json"))(one)
    if one.body:
        media = "application/vnd.elasticsearch+json; compatible-with=8"
        return one.send(406, {"error": f"Content-Type header [{media}] is not supported", "status": 406}, JSON)
    return one.send(200, {"status": "green"}, JSON)


def guarded(one: Exchange) -> None:
    """OpenSearch whose security allows nothing, not even ``GET /``."""
    reason = "no permissions for [cluster:monitor/main] and User [name=ship, backend_roles=[], requestedTenant=null]"
    error = {"type": "security_exception", "reason": reason}
    one.send(403, {"error": {"root_cause": [error], **error}, "status": 403}, JSON)


def old(one: Exchange) -> None:
    """Elasticsearch 7."""
    if one.path == "/":
        return product(200, elasticsearch("7.17.9"))(one)
    return refuse(400, "media_type_header_exception", "Invalid media-type value on headers [Content-Type, Accept]")(
        one
    )


def ancient(one: Exchange) -> None:
    """Elasticsearch 7.10, which has no header yet."""
    opensearch(one, say(200, elasticsearch("7.10.2"), Content_Type="application/json"))


SAYS: dict[Answer, str] = {
    opensearch: f"this is OpenSearch 2.11.0; {NEEDED}",
    guarded: f"this is OpenSearch; {NEEDED}",
    old: f"this is Elasticsearch 7.17.9; {NEEDED}",
    ancient: f"this is Elasticsearch 7.10.2; {NEEDED}",
}


@pytest.mark.parametrize("other", SAYS, ids=lambda one: one.__name__)
def test_every_command_names_it(faked: FakedHarness, fake: Fake, other: Answer) -> None:
    """Each ends with the sentence and code 3, without a traceback."""
    fake.otherwise[""] = other
    for module, command in COMMANDS:
        done = faked.run(command, module=module)
        said = done.stdout + done.stderr
        assert (3, True) == (done.returncode, f"{fake.url}: {SAYS[other]}" in said), (command, said)
        assert "Traceback" not in done.stderr


def old_that_tells(one: Exchange) -> None:
    """Elasticsearch 7, which answers what it is asked without the media type of a later one."""
    if one.path == "/_nodes":
        return product(200, {"nodes": {"n": {"version": "7.17.9"}}})(one)
    return product(200, {"status": "green"})(one) if one.path == "/_cluster/health" else old(one)


@pytest.mark.parametrize(("other", "name"), [
    (old, "version-too-old"), (ancient, "version-too-old"), (old_that_tells, "version-too-old"),
    (opensearch, "not-elasticsearch"),
])  # fmt: skip
def test_check_names_it_once(faked: FakedHarness, fake: Fake, other: Answer, name: str) -> None:
    """One error, whichever request it answers first, and the checks that it would answer alike are left out."""
    fake.otherwise[""] = other
    report = json.loads(faked.run("check", "--json").stdout)
    bad = [one["name"] for one in report["findings"] if one["group"] in {"cluster", "permissions", "templates"}
           and one["severity"] in {"error", "warning"}]  # fmt: skip
    assert ([name], 3) == (bad, report["exit_code"])
    assert "skipped" in {one["name"] for one in report["findings"]}


def test_the_sidecar_waits_and_says_so(faked: FakedHarness, fake: Fake) -> None:
    """Nothing is sent to it; when the address leads to Elasticsearch, everything is shipped."""
    fake.otherwise[""] = opensearch
    write(faked.log, 0, 5)
    sidecar = Watched(faked)
    assert sidecar.says(f"{fake.url}: this is OpenSearch 2.11.0; {NEEDED}")
    assert sidecar.comes(lambda: "OpenSearch 2.11.0" in faked.text("/readyz"))
    fake.otherwise.clear()
    assert sidecar.comes(lambda: fake.documents == 5), sidecar.said
    assert expected(5) == fake.messages()
    assert "Traceback" not in sidecar.said
    fake.otherwise[""] = opensearch
    write(faked.log, 5, 10)
    assert sidecar.comes(lambda: sidecar.said.count("this is OpenSearch 2.11.0") >= 2), "also after a good answer"
    fake.otherwise.clear()
    assert sidecar.comes(lambda: fake.documents == 10), sidecar.said
    assert expected(10) == fake.messages()


def test_a_parameter_that_a_version_does_not_know(faked: FakedHarness, fake: Fake) -> None:
    """A version that takes the templates and no bulk request is named; nothing becomes a dead letter."""
    reason = "request [/_bulk] contains unrecognized parameter: [require_data_stream]"
    fake.always = refuse(400, "illegal_argument_exception", reason)
    root = product(200, elasticsearch("8.5.1"))
    fake.otherwise["GET /"] = lambda one: (root if one.path == "/" else fake.answer)(one)
    faked.configure(shutdown_timeout=1)
    write(faked.log, 0, 3)
    done = faked.once()
    assert 3 == done.returncode
    assert f"this is Elasticsearch 8.5.1; {NEEDED}" in done.stderr
    assert 0 == faked.status()["dead_letters"]


def test_it_is_asked_once_a_minute(faked: FakedHarness, fake: Fake) -> None:
    """A proxy that answers for a while costs one more request, and a genuine answer none."""
    write(faked.log, 0, 3)
    fake.next += [say(404, "<html>") for _ in range(3)]
    assert 0 == faked.once().returncode
    assert expected(3) == fake.messages()
    assert 1 == fake.journal.count("GET /")
