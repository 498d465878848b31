"""How long what is held back is waited for.  Pure."""

from __future__ import annotations

from shipper.tail.generation import Generation

# What may go on is held back no longer than this, seconds: a record that has gone on, and a line that has not so far.
RECORD_PATIENCE, LINE_PATIENCE = 1.0, 0.5
NEVER = float("inf")


def silence_ends(generation: Generation, patience: float) -> float:
    """When what is held back goes out if nothing more comes to it, monotonic seconds.

    Args:
        generation: that holds something back.
        patience: how long an unterminated line is waited for, seconds.
    """
    reader = generation.reader
    if reader.held is not None:
        return reader.grew_at + (LINE_PATIENCE if len(reader.held.lines) == 1 else RECORD_PATIENCE)
    return NEVER if reader.unpacking else reader.grew_at + patience


def updates_end(generation: Generation, patience: float) -> float:
    """When what a progress bar has shown goes out, though it goes on; never where there is none."""
    updated_at = generation.awake.updated_at if generation.awake is not None else 0.0
    return updated_at + patience if updated_at else NEVER
