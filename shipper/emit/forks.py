"""Handlers around a fork, for locks, descriptors and half written text, which a child must not share.

A lock that a thread of the parent holds at the fork stays locked in the child, where that thread does not exist.  An
``flock`` belongs to the open file description, which parent and child share: it is held until both have closed it.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator


class Forkable:
    """An object with handlers around forks; its constructor registers it."""

    def __init__(self) -> None:
        _registered.add(self)

    def before_fork(self) -> None:
        """In the parent, before it forks; must not wait for long, because the application waits for it."""

    def after_fork_in_parent(self) -> None:
        """In the parent, after the fork, also a failed one: undo ``before_fork``."""

    def after_fork_in_child(self) -> None:
        """In the child, which has one thread: create new locks, close descriptors, drop unfinished work."""


@contextlib.contextmanager
def closed_in_child(fd: int) -> Iterator[None]:
    """Within the block, close the descriptor in forked children, so that they don't share its lock."""
    _descriptors.add(fd)
    try:
        yield
    finally:
        # Before the caller closes it: its number may be reused at once.
        _descriptors.discard(fd)


_registered: weakref.WeakSet[Forkable] = weakref.WeakSet()
_descriptors: set[int] = set()


def _call(handler: str) -> None:
    for one in list(_registered):
        with contextlib.suppress(Exception):  # a failure must not stop the other handlers
            getattr(one, handler)()


def _after_in_child() -> None:
    _call("after_fork_in_child")
    while _descriptors:
        with contextlib.suppress(OSError):
            os.close(_descriptors.pop())


os.register_at_fork(
    before=lambda: _call("before_fork"),
    after_in_parent=lambda: _call("after_fork_in_parent"),
    after_in_child=_after_in_child,
)
