"""The warning that ``host_name: auto`` may make copies."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.cli.host_name import State, container_sign, state_of, warnings
from shipper.tail.fingerprint import generation_name
from shipper.tail.state.checkpoint import NOTHING
from shipper.tail.state.rows import Cursor, LastSeen

STATE = Path("/state")


@pytest.mark.parametrize(
    ("sign", "files", "environ", "groups", "host"),
    [
        (None, (), {}, "", "node-1"),
        (None, (), {"PATH": "/bin", "container": ""}, "0::/\n1:cpu:/user.slice", "node-1"),
        ("/.dockerenv", ("/.dockerenv",), {}, "", "node-1"),
        ("/run/.containerenv", ("/run/.containerenv",), {}, "", "node-1"),
        ("the variable KUBERNETES_SERVICE_HOST", (), {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, "", "app-7d9c-x2x1"),
        ("the variable container", (), {"container": "podman"}, "", "node-1"),
        ("/proc/1/cgroup", (), {}, "12:pids:/docker/0123456789ab\n", "node-1"),
        ("/proc/1/cgroup", (), {}, "0::/kubepods.slice/kubepods-pod1\n", "node-1"),
        ("a host name like a container's id", (), {}, "", "0123456789ab"),
        (None, (), {}, "", "deadbeef"),
        (None, (), {}, "", "0123456789abc"),
    ],
)
def test_containers_are_recognised(
    sign: str | None, files: tuple[str, ...], environ: dict[str, str], groups: str, host: str
) -> None:
    """By files, variables, the first process's groups, or the name alone."""
    assert sign == container_sign(files.__contains__, environ, groups, host)


def cursor(host: str, logical: str = "/logs/neuroflow.log") -> Cursor:
    """A cursor whose generation was named under a host name."""
    return Cursor(
        generation_name(host, logical, b"first", 0), logical, b"first", 0, LastSeen(logical, 1, 2, 3), NOTHING
    )


@pytest.mark.parametrize(
    ("state", "cursors", "before"),
    [
        (State(empty=True), [], None),
        (State(empty=True, before="a"), [], "a"),
        (State(empty=True, before="b"), [], "b"),
        (State(empty=False, before="a"), [cursor("a")], "a"),
        (State(empty=False, before="b", renamed=True), [cursor("b")], "b"),
        (State(empty=False), [cursor("a")], None),
        (State(empty=False), [cursor("b"), cursor("a")], None),
        (State(empty=False, renamed=True), [cursor("b")], None),
        (State(empty=False), [cursor("b", "0123abcd")], None),
    ],
)
def test_what_a_store_tells(state: State, cursors: list[Cursor], before: str | None) -> None:
    """A store gives the host name that it recorded, or one that its generations' names prove, unless paths are
    hidden.
    """
    assert state == state_of(cursors, before, "a")


@pytest.mark.parametrize(
    ("parts", "sign", "state", "logs"),
    [
        ([], None, State(empty=False, before="a"), True),
        ([], None, State(empty=True), False),
        (["a container (/.dockerenv)"], "/.dockerenv", State(empty=False, before="a"), True),
        (["has no positions, but there are logs"], None, State(empty=True), True),
        (["a container (x)", "has no positions, but there are logs"], "x", State(empty=True), True),
        (["under the host name b, and", "set shipper.host_name to b to"], None,
         State(empty=False, before="b", renamed=True), True),
        (["under the host name another name"], None, State(empty=False, renamed=True), True),
    ],
)  # fmt: skip
def test_the_warning(parts: list[str], sign: str | None, state: State, logs: bool) -> None:
    """It says what will happen, and which key to set."""
    said = list(warnings("a", STATE, sign, state, logs=logs))
    assert all(part in "; ".join(said) for part in parts)
    assert bool(parts) == bool(said)
    assert all("shipper.host_name" in sentence and "/state" in sentence for sentence in said)
