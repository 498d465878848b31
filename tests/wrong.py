"""Invalid configurations, as changed sections or as the bytes of a file."""

from __future__ import annotations

import base64
from typing import Any

SECRET = "hunter2-hunter2"
"""Planted wherever a credential may stand; nothing may say it."""
_URL = f"http://someone:{SECRET}@127.0.0.1"


def _es(**keys: Any) -> dict[str, Any]:
    return {"elasticsearch": keys}


def _cloud(text: str) -> str:
    return f"name:{base64.b64encode(text.encode()).decode()}"


SECTIONS: dict[str, dict[str, Any]] = {
    "port too large": _es(hosts=f"{_URL}:99999"),
    "port zero": _es(hosts=f"{_URL}:0"),
    "port in words": _es(hosts=f"{_URL}:abc"),
    "port that is signed": _es(hosts=f"{_URL}:+9200"),
    "port in other digits": _es(hosts=f"{_URL}:९२००"),
    "no port": _es(hosts=_URL),
    "no host": _es(hosts="http://:9200"),
    "no scheme": _es(hosts=f"someone:{SECRET}@127.0.0.1:9200"),
    "other scheme": _es(hosts=f"ftp://someone:{SECRET}@127.0.0.1:9200"),
    "half an IPv6 address": _es(hosts="http://[::1"),
    "no IPv6 address": _es(hosts="http://[lab]:9200"),
    "IPv6 without brackets": _es(hosts="http://::1:9200"),
    "slash in a password": _es(hosts=f"http://someone:/{SECRET}@127.0.0.1:9200"),
    "question mark in a password": _es(hosts=f"http://someone:?{SECRET}@127.0.0.1:9200"),
    "line feed in a password": _es(hosts=f"http://someone:{SECRET}%0a@127.0.0.1:9200"),
    "no UTF-8 in a password": _es(hosts=f"http://someone:{SECRET}%ff@127.0.0.1:9200"),
    "query": _es(hosts=f"{_URL}:9200/?token={SECRET}"),
    "blank in a host": _es(hosts=f"{_URL}x y:9200"),
    "empty part of a host": _es(hosts="http://es..lab:9200"),
    "long part of a host": _es(hosts=f"http://{'e' * 64}.lab:9200"),
    "one of two hosts": _es(hosts=["http://127.0.0.1:9200", f"{_URL}:99999"]),
    "empty host": _es(hosts=""),
    "hosts that are a mapping": _es(hosts={"url": f"{_URL}:9200"}),
    "no hosts": _es(hosts=[]),
    "cloud id": _es(cloud_id="garbage"),
    "cloud id without base64": _es(cloud_id="name:gar bage!"),
    "cloud id without a name": _es(cloud_id=_cloud("cloud.example$")),
    "cloud id with a wrong port": _es(cloud_id=_cloud("cloud.example:99999$abc")),
    "cloud id with a wrong host": _es(cloud_id=_cloud("cloud example$abc")),
    "fingerprint": _es(hosts="https://127.0.0.1:9200", ca_fingerprint="zz"),
    "fingerprint of SHA-1": _es(hosts="https://127.0.0.1:9200", ca_fingerprint="ab" * 20),
    "fingerprint that is a number": _es(hosts="https://127.0.0.1:9200", ca_fingerprint=12345),
    "certificates that are not there": _es(ca_certs="/nowhere/ca.pem"),
    "certificates that are none": _es(ca_certs="/etc/hostname"),
    "certificates with a NUL": _es(ca_certs="/tmp/\0"),
    "blank in a key": _es(api_key=f"{SECRET} {SECRET}"),
    "line feed in a key": _es(api_key=f"{SECRET}\n{SECRET}"),
    "NUL in a key": _es(api_key=f"{SECRET}\0"),
    "key beyond ASCII": _es(api_key=f"{SECRET}ä"),
    "key that is a mapping": _es(api_key={"id": "x", "api_key": SECRET}),
    "key that is a number": _es(api_key=1234567890123),
    "password that is a number": _es(username="someone", password=1234567890123),
    "line feed in the middle of a password": _es(username="someone", password=f"{SECRET}\n{SECRET}"),
    "half a character in a password": _es(username="someone", password=f"{SECRET}\ud800"),
    "colon in a user": _es(username="some:one", password=SECRET),
    "user without a password": _es(username="someone"),
    "password without a user": _es(password=SECRET),
    "client key without a certificate": _es(client_key="/etc/hostname"),
    "client certificate that is not there": _es(client_cert="/nowhere/client.pem"),
    "client certificate that is none": _es(client_cert="/etc/hostname", client_key="/etc/hostname"),
    "secret in a file that is not there": _es(api_key="${file:/nowhere/key}"),
    "secret in a directory": _es(username="someone", password="${file:/etc}"),
    "secret in a device": _es(username="someone", password="${file:/dev/zero}"),
    "proxy without a scheme": _es(proxy=f"someone:{SECRET}@proxy.lab:3128"),
    "proxy without a port": _es(proxy=f"http://someone:{SECRET}@proxy.lab"),
    "proxy with TLS": _es(proxy=f"https://someone:{SECRET}@proxy.lab:3128"),
    "proxy with a path": _es(proxy=f"http://someone:{SECRET}@proxy.lab:3128/x"),
    "Kibana's proxy": {"kibana": {"proxy": f"socks5://someone:{SECRET}@proxy.lab:1080"}},
    "Kibana's login": {"kibana": {"password": SECRET}},
    "endless time-out": _es(request_timeout=1e300),
    "Kibana's port": {"kibana": {"url": f"{_URL}:99999"}},
    "Kibana's key": {"kibana": {"api_key": f"{SECRET}\t{SECRET}"}},
    "Kibana's page": {"kibana": {"url": f"{_URL}:5601/app/dashboards#/view/{SECRET}"}},
    "Kibana's space": {"kibana": {"space": "My Lab"}},
    "unknown key": {"shipper": {"scan_intervall": 3}},
    "endless scan interval": {"shipper": {"scan_interval": 1e300}},
    "no time": {"shipper": {"flush_interval": "soon"}},
    "size without end": {"shipper": {"max_line_bytes": f"{'9' * 400}GiB"}},
    "size of no machine": {"shipper": {"batch": {"max_bytes": "999999999999GiB"}}},
    "pattern with a NUL": {"shipper": {"inputs": [{"paths": ["/tmp/a\0b/*.log"]}]}},
    "pattern with a line feed": {"shipper": {"inputs": [{"paths": ["/tmp/*.log\n"]}]}},
    "empty pattern": {"shipper": {"inputs": [{"paths": [""]}]}},
    "endless pattern": {"shipper": {"inputs": [{"paths": [f"/{'a' * 5000}/*.log"]}]}},
    "pattern of nobody": {"shipper": {"inputs": [{"paths": ["~nobody-has-this-name/*.log"]}]}},
    "unknown format": {"shipper": {"inputs": [{"paths": ["/tmp/*.log"], "format": "other"}]}},
    "empty host name": {"shipper": {"host_name": " "}},
    "host name that is a number": {"shipper": {"host_name": 12}},
    "half a character": {"shipper": {"environment": "\ud800"}},
    "zone": {"shipper": {"timezone": "Mars/Olympus"}},
    "zone with a NUL": {"shipper": {"timezone": "Europe/\0"}},
    "state directory of nobody": {"shipper": {"state_dir": "~nobody-has-this-name/state"}},
    "empty state directory": {"shipper": {"state_dir": ""}},
    "state directory with a NUL": {"shipper": {"state_dir": "/tmp/\0"}},
    "short hash key": {"shipper": {"redact": {"hash": ["subject"], "hash_key": "hunter2"}}},
    "log directory of nobody": {"logging": {"log_dir": "~nobody-has-this-name/logs"}},
    "log directory with a NUL": {"logging": {"log_dir": "/tmp/\0"}},
}
FILES: dict[str, bytes] = {
    "nothing": b"", "blanks": b" \n\n", "a remark": b"# shipper:\n",
    "half a line": b"elasticsearch: {hosts: [http://127.0.0.1:9200], password: " + SECRET.encode(),
    "a list": b"- shipper\n", "no UTF-8": b"shipper: {environment: \xff}", "NUL": b"shipper: \x00",
    "tag": b"elasticsearch: {password: !" + SECRET.encode() + b" x}",
    "alias": b"elasticsearch: {password: *" + SECRET.encode() + b"}",
    "what holds itself": b"shipper: &a {inputs: [*a]}",
    "too deep": b"shipper: " + 600 * b"[" + 600 * b"]",
    "laughter": b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n,
     b", ".join([b"*%c" % (97 + n)] * 10)) for n in range(7)) + b"shipper: {exclude: *h}\n",
    "long number": b"shipper: {max_line_bytes: " + 5000 * b"9" + b"}",
    "no date": b"shipper: {environment: 2024-13-01}",
}  # fmt: skip
