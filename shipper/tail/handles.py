"""Which files are open: a sleeping log holds no descriptor, and a process with few of them goes on all the same."""

from __future__ import annotations

import resource

from shipper.tail.generation import Generation

# For the cluster, the cursors, the watch, the scan and what a file is compared with.
RESERVE = 40
_MIN_OPEN, _MAX_OPEN = 4, 512
# So many xz files are unpacked at once, each of which may take a hundred megabytes, and takes nine by default.
_MAX_HEAVY = 4


def limit() -> int:
    """How many log files this process may hold open, by its limit of descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_OPEN if soft == resource.RLIM_INFINITY else max(_MIN_OPEN, min(_MAX_OPEN, soft - RESERVE))


class Handles:
    """The generations whose files are open, the longest unused first.

    Args:
        most: how many may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[bytes, Generation] = {}

    def used(self, generation: Generation) -> None:
        """This one was read; beyond the limit the longest unused is closed, and opened again when it grows."""
        self._open.pop(generation.cursor.id, None)
        self._open[generation.cursor.id] = generation
        if len(self._open) > self._most:
            self._shut(max(1, self._most // 4))  # several at once: looking for them costs more than closing

    def crowded(self, generation: Generation) -> bool:
        """Whether a compressed file should wait to be opened: enough are being unpacked that take much memory."""
        reader = generation.reader
        if not reader.file.compressed or reader.file.view is not None:
            return False
        readers = (one.active_reader for one in self._open.values())
        # One that gives nothing just now (half-written, or its lines wait for others) must hold nobody up.
        busy = [
            one
            for one in readers
            if one and (view := one.file.view) and view.heavy and one.grew and not one.held.block
        ]
        return len(busy) >= _MAX_HEAVY

    def fewer(self) -> bool:
        """There are no descriptors left: make do with half as many; gives whether that helps."""
        self._shut(0)
        if not self._open:
            return False
        self._most = max(_MIN_OPEN, len(self._open) // 2)
        self._shut(max(1, len(self._open) - self._most))
        return True

    def _shut(self, surplus: int) -> None:
        """Forget what was closed elsewhere, and close so many: those first that can be opened again."""
        for identity in [one for one, generation in self._open.items() if not _is_open(generation)]:
            del self._open[identity]
            surplus -= 1
        if surplus <= 0:
            return
        for identity in sorted(self._open, key=lambda one: self._open[one].found is None)[:surplus]:
            generation = self._open.pop(identity)
            generation.close()


def _is_open(generation: Generation) -> bool:
    return generation.active_reader is not None and generation.active_reader.file.view is not None
