"""A node with security: its settings, users of the file realm, TLS, and an index of roles and API keys."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from elasticsearch import AuthenticationException, AuthorizationException, Elasticsearch

from shipper.config import Elasticsearch as Settings
from shipper.elastic.client import connect
from shipper.testnode import distribution, node
from shipper.testnode.java import Java
from shipper.testnode.process import ProcessNode
from tests.conformance.harness import eventually

# Beyond ASCII, and beyond Latin-1: HTTP takes UTF-8.
PASSWORD = "gar-nicht-so-geheim-pä€sswort"
_STORE = "nur-fuer-diesen-test"
_PLUGIN = Path(__file__).with_name("SecurityIndexAnalysis.java")

ADMIN = {"cluster": ["all"], "indices": [{"names": ["*"], "privileges": ["all"]}]}
NOBODY: dict[str, Any] = {"cluster": []}
# While the node boots anonymous users may ask how it is; later only roles of their own grant users anything.
_PROBER = {"cluster": ["cluster:monitor/health"]}


def hashed(password: str) -> str:
    """As the file realm stores it."""
    salt, rounds = os.urandom(32), 10_000
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, rounds, 32)
    return f"{{PBKDF2}}{rounds}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


SECURITY = {
    "xpack.security.enabled": True,
    # It is alone, so nobody needs certificates to talk to it.
    "xpack.security.transport.ssl.enabled": False,
    # Users in files only: this distribution can't make the index that others are kept in.
    "xpack.security.authc.reserved_realm.enabled": False,
    "xpack.security.authc.realms.file.files.order": 0,
    "xpack.security.authc.realms.native.index": {"order": 1, "enabled": False},
    # Nobody in particular may ask how it is, and no more: that is how it is seen to be up.
    "xpack.security.authc.anonymous.roles": "logstash_system",
}
_TLS = {
    "xpack.security.authc.anonymous.roles": "prober",
    "xpack.security.http.ssl.enabled": True,
    "xpack.security.http.ssl.keystore.path": "http.p12",
    "xpack.security.http.ssl.keystore.password": _STORE,
    "resource.reload.interval.high": "500ms",  # users and roles are read again
}


class SecuredNode:
    """A running node whose users and roles are in files.

    Attributes:
        url: its address.
        ca: the file of the certificate to trust.
        stores_roles: it has the index of roles and API keys, so its API for them works.
    """

    def __init__(self, process: ProcessNode, *, stores_roles: bool) -> None:
        self._process = process
        self.url = process.url
        self.ca = process.config / "ca.pem"
        self.stores_roles = stores_roles
        self._roles: dict[str, Any] = {}
        self._users: dict[str, tuple[str, str]] = {}

    def settings(self, user: str, password: str = PASSWORD) -> Settings:
        """The configuration of a user."""
        return Settings(hosts=[self.url], username=user, password=password, ca_certs=str(self.ca), request_timeout=30)

    def client(self, user: str, password: str = PASSWORD) -> Elasticsearch:
        """A client of a user."""
        return connect(self.settings(user, password))

    def put_roles(self, roles: Mapping[str, Any]) -> None:
        """Add roles to ``roles.yml``, or replace them; the node reads them within a second."""
        self._roles |= roles
        self._write("roles.yml", "".join(f"{name}: {json.dumps(role)}\n" for name, role in self._roles.items()))

    def put_users(self, users: Mapping[str, str], password: str = PASSWORD) -> None:
        """Add users, each with its role, to ``users_roles`` and ``users``, or replace them."""
        secret = hashed(password)
        self._users |= {user: (role, secret) for user, role in users.items()}
        self._write("users_roles", "".join(f"{role}:{user}\n" for user, (role, _) in self._users.items()))
        self._write("users", "".join(f"{user}:{secret}\n" for user, (_, secret) in self._users.items()))

    def _write(self, name: str, text: str) -> None:
        path = self._process.config / name
        # Not rewritten in place: the node must not read half of it.
        new = path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(path)


@contextmanager
def secured_node(roles: Mapping[str, Any], users: Mapping[str, str]) -> Iterator[SecuredNode]:
    """A node with TLS and users of the file realm, for the duration of the block.

    Besides those given there are the users ``admin`` and ``nobody``, who may everything and nothing.  The index that
    roles and API keys are kept in needs a part of a module that the test distribution lacks: where there is a Java
    compiler, a plugin provides it.

    Raises:
        NodeError: none is available (with what is missing), or it did not start.
    """
    version, java = node._distribution(os.environ, "Docker: not used")
    cache = distribution.cache_folder(os.environ)
    process = ProcessNode(
        version, java, cache=cache, heap="512m", brief=True, settings=SECURITY | _TLS, say=lambda _: None
    )
    try:
        _make_certificate(process.config, java)
        one = SecuredNode(process, stores_roles=_make_plugin(process.config.parent, version, java))
        one.put_roles({"prober": _PROBER})
        process.start()
        one.url = process.url  # another, where its port was taken
        one.put_roles({"prober": NOBODY, "admin": ADMIN, "nobody": NOBODY, **roles})
        one.put_users({"admin": "admin", "nobody": "nobody", **users})
        admin, nobody = one.client("admin"), one.client("nobody")

        def known() -> bool:
            try:
                admin.cluster.get_settings()
                nobody.cluster.health()
            except AuthorizationException as error:
                return "cluster:monitor/health" in str(error)
            except AuthenticationException:
                return False
            return False

        assert eventually(known), "the files of users and roles are read every half second"
        yield one
    finally:
        process.remove()


def _make_certificate(config: Path, java: Java) -> None:
    """A certificate that is its own authority, and its key."""
    store = config / "http.p12"
    keytool: Sequence[str] = (str(java.home / "bin/keytool"), "-keystore", str(store), "-storepass", _STORE)
    _run(
        *keytool, "-genkeypair", "-storetype", "PKCS12", "-alias", "http", "-keyalg", "EC", "-validity", "30",
        "-dname", "CN=neuroflow-test", "-ext", "san=ip:127.0.0.1", "-ext", "bc=ca:true",
    )  # fmt: skip
    _run(*keytool, "-exportcert", "-rfc", "-alias", "http", "-file", str(config / "ca.pem"))
    store.chmod(0o644)  # of an account that is not ours


def _make_plugin(home: Path, version: str, java: Java) -> bool:
    """Compile and install the plugin; False without a compiler."""
    if not (java.home / "bin/javac").exists():
        return False
    release = str(dict(distribution.VERSIONS)[version])
    folder = home / "plugins/security-index-analysis"
    classes = folder / "classes"
    classes.mkdir(parents=True)
    _run(
        str(java.home / "bin/javac"), "--release", release, "-cp", str(home / "lib/*"), "-d", str(classes),
        str(_PLUGIN),
    )  # fmt: skip
    _run(str(java.home / "bin/jar"), "--create", "--file", str(folder / "plugin.jar"), "-C", str(classes), ".")
    for path in classes.iterdir():
        path.unlink()
    classes.rmdir()
    (folder / "plugin-descriptor.properties").write_text(
        f"description={_PLUGIN.stem}\nversion=1\nname={folder.name}\nclassname={_PLUGIN.stem}\n"
        f"java.version={release}\nelasticsearch.version={version}\n",
        encoding="utf-8",
    )
    return True


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert 0 == done.returncode, done.stdout + done.stderr
