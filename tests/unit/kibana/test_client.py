from __future__ import annotations

import base64
import socket
import ssl
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from shipper.config import Config, ConfigError, Kibana
from shipper.kibana.client import PAUSE_SECONDS, STARTING_SECONDS, KibanaClient
from shipper.kibana.responses import KibanaError
from tests.certificates import Certificates
from tests.conformance.fake import Fake
from tests.conformance.proxy import Proxy
from tests.sleeping_clock import Clock
from tests.unit.kibana.conftest import Clients
from tests.unit.kibana_stand_in import KibanaStandIn, page, problem, running

STARTING = (503, {"retry-after": "30"}, b"Kibana server is not ready yet")
BASIC = "Basic " + base64.b64encode(b"elastic:hunter2").decode()


@pytest.mark.parametrize(
    ("expected", "section", "cluster"),
    [
        ("ApiKey k", {"api_key": "k"}, {"api_key": "e"}),
        ("ApiKey k", {"api_key": "k"}, {"username": "elastic", "password": "hunter2"}),
        ("ApiKey e", {}, {"api_key": "e"}),
        (BASIC, {}, {"username": "elastic", "password": "hunter2"}),
        (None, {}, {}),
    ],
)
def test_credentials_are_kibanas_else_the_clusters(
    client: Clients, kibana: KibanaStandIn, expected: str | None, section: Any, cluster: Any
) -> None:
    """Without credentials of its own Kibana gets the cluster's."""
    client(cluster=cluster, **section).ask("POST", "/api/saved_objects/_export", {"type": ["tag"]})
    (request,) = kibana.requests
    assert expected == request.headers.get("authorization")
    assert "true" == request.headers["kbn-xsrf"]


def test_credentials_in_the_address_go_before_the_clusters(client: Clients, kibana: KibanaStandIn) -> None:
    """Credentials in the address take precedence, and are not printed."""
    made = client(kibana.url.replace("//", "//elastic:hunter2@"), cluster={"api_key": "e"})
    made.ask("GET", "/api/alerting/_health")
    assert BASIC == kibana.requests[0].headers["authorization"]
    assert kibana.url == made.place


def test_spaces_and_base_paths_are_parts_of_the_path(client: Clients) -> None:
    """The default space adds nothing to the path; a trailing slash changes nothing."""
    with running(KibanaStandIn(base="/kibana", spaces={"default", "lab"})) as kibana:
        for url in (kibana.url, f"{kibana.url}/"):
            assert client(url).ask("GET", "/api/alerting/_health").ok
            lab = client(url, space="lab")
            lab.check_space()
            assert lab.ask("GET", "/api/alerting/_health").ok
        expected = ["/api/alerting/_health", "/api/spaces/space/lab", "/s/lab/api/alerting/_health"]
        assert expected * 2 == [request.path.removeprefix("/kibana") for request in kibana.requests]


def test_a_missing_space_is_an_error(client: Clients, kibana: KibanaStandIn) -> None:
    """Kibana would otherwise write into an invisible space."""
    with pytest.raises(KibanaError) as said:
        client(space="nope").check_space()
    assert f"{kibana.url} has no space 'nope': create it in Kibana under Spaces, or change kibana.space" == str(
        said.value
    )
    with pytest.raises(KibanaError, match=r"or its path in .* is wrong"):
        client(f"{kibana.url}/wrong", space="lab").check_space()
    client().check_space()
    assert 2 == len(kibana.requests)


def test_a_key_that_may_not_look_at_spaces_goes_on(client: Clients, kibana: KibanaStandIn) -> None:
    """A 403 for the list of spaces is ignored; other errors end the command."""
    kibana.instead = deque([problem(403, "Unauthorized"), problem(401, "Unauthorized"), page(404, "Not Found")])
    lab = client(space="lab")
    lab.check_space()
    with pytest.raises(KibanaError, match="authentication failed"):
        lab.check_space()
    with pytest.raises(KibanaError, match="a web page instead of Kibana's JSON"):
        lab.check_space()


def test_a_kibana_that_is_starting_is_waited_for(client: Clients, kibana: KibanaStandIn) -> None:
    """503 and 429 are retried, with one message."""
    kibana.instead = deque([STARTING, STARTING, problem(429, "busy")])
    clock, told = Clock(), list[str]()
    answer = client(clock=clock, sleep=clock.sleep, say=told.append).ask("GET", "/api/alerting/_health")
    assert answer.ok
    assert [PAUSE_SECONDS] * 3 == clock.slept
    assert [f"{kibana.url} is not ready yet; retrying for up to {STARTING_SECONDS:g} s"] == told


def test_waiting_ends(client: Clients, kibana: KibanaStandIn) -> None:
    """All requests together wait for at most a minute."""
    kibana.instead = deque([STARTING] * 1000)
    clock = Clock()
    made = client(clock=clock, sleep=clock.sleep)
    for _ in range(3):
        assert 503 == made.ask("GET", "/api/alerting/_health").status
    assert STARTING_SECONDS == sum(clock.slept)


def test_what_does_not_answer_is_a_sentence(client: Clients, kibana: KibanaStandIn) -> None:
    """A closed port, a silent one, and one without TLS give sentences."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        with pytest.raises(KibanaError, match=r"can't be reached: connection refused .*; check kibana.url$"):
            client(url).ask("GET", "/")
        deaf.listen()
        with pytest.raises(KibanaError, match=r"did not answer within 0.05 s"):
            client(url, cluster={"request_timeout": 0.05}).ask("GET", "/")
    https = kibana.url.replace("http:", "https:")
    for cluster in ({}, {"verify_certs": False}):
        with pytest.raises(KibanaError, match=r"TLS failed: it answers without TLS: write http"):
            client(https, cluster=cluster).ask("GET", "/")


def test_configuration_that_leads_nowhere_is_refused(client: Clients, tmp_path: Path) -> None:
    """Unusable addresses and certificates raise before any request."""
    with pytest.raises(ConfigError, match=r"^neuroflow.yaml: kibana.url is missing; write it like http"):
        KibanaClient(Config(path=Path("neuroflow.yaml"), log_dir=tmp_path), say=print)
    with pytest.raises(ValueError, match="can't be read: No such file"):
        client("https://kibana.lab", cluster={"ca_certs": str(tmp_path / "none.pem")})
    with pytest.raises(ValueError, match="is not a URL"):
        client("http://[::1")


@pytest.mark.parametrize(
    ("sentence", "url"),
    [
        ("Kibana's url 'kibana:5601' is not a URL", "kibana:5601"),
        ("Kibana's url 'kibana:5601#/x' is not a URL", "http://u:hunter2@kibana:5601#/x"),
        ("is a page in Kibana", "http://kibana:5601/app/dashboards"),
        ("is a page in Kibana", "https://lab/kibana/s/space"),
    ],
)
def test_addresses_are_checked(sentence: str, url: str) -> None:
    """An address with a page's path is refused."""
    with pytest.raises(ValueError, match=sentence) as said:
        Kibana(url=url)
    assert "url 'http://u:hunter2" not in str(said.value)
    assert "https://lab/s-kibana" == Kibana(url="https://lab/s-kibana").url


def test_the_space_is_a_spaces_id() -> None:
    """It consists of lower-case letters, digits, hyphens and underscores."""
    with pytest.raises(ValueError, match="space"):
        Kibana(space="My Lab")


def test_kibana_has_a_login_and_a_proxy_of_its_own(client: Clients, kibana: KibanaStandIn) -> None:
    """Its login goes before that in its address; its proxy before the cluster's, which ``direct`` switches off."""
    proxy, other = Proxy(), Proxy()
    login = {"username": "elastic", "password": "hunter2"}
    url = kibana.url.replace("//", "//somebody:else@")
    for used, section in ((proxy, {}), (other, {"proxy": other.url}), (None, {"proxy": "direct"})):
        before = len(proxy.journal) + len(other.journal)
        client(url, cluster={"proxy": proxy.url, "api_key": "e"}, **login, **section).ask("GET", "/api/status")
        assert BASIC == kibana.requests[-1].headers["authorization"]
        assert before + (used is not None) == len(proxy.journal) + len(other.journal)
        assert used is None or used.journal[-1] == f"GET {kibana.url}/api/status"
    proxy.down()
    with pytest.raises(KibanaError, match=f"can't be reached: the proxy {proxy.url} is not available: connection"):
        client(url, cluster={"proxy": proxy.url}).ask("GET", "/api/status")
    other.down()


def test_kibana_has_certificates_of_its_own(client: Clients, certificates: Certificates) -> None:
    """``ca_certs`` and ``verify_certs`` under ``kibana`` go before those under ``elasticsearch``."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*certificates.server)
    server = Fake(tls=tls)
    right, wrong = str(certificates.authority.certificate), str(certificates.other.certificate)
    for cluster, section in (
        ({"ca_certs": right}, {}), ({"ca_certs": wrong}, {"ca_certs": right}), ({}, {"verify_certs": False}),
        ({"verify_certs": False}, {}),
    ):  # fmt: skip
        assert 405 == client(server.url, cluster=cluster, **section).ask("GET", "/").status
    for cluster, section in (
        ({"ca_certs": right}, {"ca_certs": wrong}), ({"verify_certs": False}, {"verify_certs": True}),
    ):  # fmt: skip
        with pytest.raises(KibanaError, match="TLS failed: its certificate was signed by another authority"):
            client(server.url, cluster=cluster, **section).ask("GET", "/")
    server.down()
