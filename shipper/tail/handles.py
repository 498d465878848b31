"""Which files are open: idle ones are closed, and no more are open than the process has descriptors for."""

from __future__ import annotations

import resource

from shipper.tail.generation import Generation

# Descriptors for connections, store, watch, scan and the files that others are compared with.
RESERVE = 40
_MIN_OPEN, _MAX_OPEN = 4, 512
# So many xz files are unpacked at once; each takes nine megabytes by default, and up to a hundred.
_MAX_HEAVY = 4


def limit() -> int:
    """How many log files this process may hold open, by its limit of descriptors."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MAX_OPEN if soft == resource.RLIM_INFINITY else max(_MIN_OPEN, min(_MAX_OPEN, soft - RESERVE))


class Handles:
    """The generations whose files are open, the longest unused first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[bytes, Generation] = {}

    def used(self, generation: Generation) -> None:
        """Note that a file was read; beyond the limit those unused longest are closed until they grow."""
        self._open.pop(generation.cursor.id, None)
        self._open[generation.cursor.id] = generation
        if len(self._open) > self._most:
            self._shut(max(1, self._most // 4))  # several at once: finding them costs more than closing

    def crowded(self, generation: Generation) -> bool:
        """Whether a compressed file should wait, because enough are being unpacked that take much memory."""
        reader = generation.reader
        if not reader.file.compressed or reader.file.view is not None:
            return False
        readers = (one.active_reader for one in self._open.values())
        # One that gives nothing just now (half-written, or its lines wait for others) does not count.
        busy = [
            one
            for one in readers
            if one and (view := one.file.view) and view.heavy and one.grew and not one.held.block
        ]
        return len(busy) >= _MAX_HEAVY

    def fewer(self) -> bool:
        """Close half of the files, as there are no descriptors left; gives whether there were any to close."""
        self._shut(0)
        if not self._open:
            return False
        self._most = max(_MIN_OPEN, len(self._open) // 2)
        self._shut(max(1, len(self._open) - self._most))
        return True

    def _shut(self, surplus: int) -> None:
        """Forget files that were closed elsewhere, and close so many, those first that can be opened again."""
        readers = [(identity, generation.active_reader) for identity, generation in self._open.items()]
        for identity in [one for one, reader in readers if reader is None or reader.file.view is None]:
            del self._open[identity]
            surplus -= 1
        if surplus <= 0:
            return
        for identity in sorted(self._open, key=lambda one: self._open[one].found is None)[:surplus]:
            generation = self._open.pop(identity)
            generation.close()
