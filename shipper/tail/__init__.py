"""Bytes on disk → lines with a position that survives anything."""
