"""What a fork copies and a child must not share: locks, open descriptions, text that is half written.

A lock that a thread of the parent holds at the fork is held for ever in the child, where that thread does not exist.
An ``flock`` belongs to the open description, which parent and child share: it stays until both have closed it.  So
everything in ``emit`` that has a lock or a descriptor is told of forks by this one module.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator


class Forkable:
    """Something that has to do with forks; being made is being told."""

    def __init__(self) -> None:
        _registered.add(self)

    def before_fork(self) -> None:
        """In the parent, before it forks: it must not wait for long, because the application waits with it."""

    def after_fork_in_parent(self) -> None:
        """In the parent, after it forked or failed to: undo what ``before_fork`` did."""

    def after_fork_in_child(self) -> None:
        """In the child, which has one thread: make new locks, give descriptors back, forget what others began."""


@contextlib.contextmanager
def closed_in_child(fd: int) -> Iterator[None]:
    """Within the block a child that is forked closes its copy of the descriptor, and with it the share in a lock."""
    _descriptors.add(fd)
    try:
        yield
    finally:
        # Before the caller closes it: its number may be a stranger's a moment later.
        _descriptors.discard(fd)


_registered: weakref.WeakSet[Forkable] = weakref.WeakSet()
_descriptors: set[int] = set()


def _before() -> None:
    for one in list(_registered):
        with contextlib.suppress(Exception):  # one that fails must not keep the others from being told
            one.before_fork()


def _after_in_parent() -> None:
    for one in list(_registered):
        with contextlib.suppress(Exception):
            one.after_fork_in_parent()


def _after_in_child() -> None:
    for one in list(_registered):
        with contextlib.suppress(Exception):
            one.after_fork_in_child()
    while _descriptors:
        with contextlib.suppress(OSError):
            os.close(_descriptors.pop())


os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
