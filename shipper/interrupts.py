"""Ctrl-C within an error: it may come anywhere, and the clean-up of a library may raise another error over it."""

from __future__ import annotations


def interrupted(error: BaseException) -> bool:
    """Whether an error was raised because of a KeyboardInterrupt, or while one was being raised."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if isinstance(one, KeyboardInterrupt):
            return True
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            todo += (one.__cause__, one.__context__)
    return False
