"""The ids in lines of a shape: as the usual way spells them, in the order of ``RUN_FIELDS``, and as JSON."""

from __future__ import annotations

from shipper.document.bids_labels import LABELS, MAX_LABEL_CHARS, MAX_ROW_ID_DIGITS, PREFIXES, bids_name
from shipper.document.layouts import Format, picking
from shipper.document.run_context import RUN_FIELDS


class OwnIds:
    """The ids in lines of a shape.

    Args:
        fields: of each id the field, the key in the line and the type.

    Attributes:
        has_texts: one is a text, which may contain something to redact.
        run_ids: picks the ids in the order of ``RUN_FIELDS`` from what ``spelled`` gives.
        json: their JSON, without braces.
    """

    def __init__(self, fields: list[tuple[str, str, type]]) -> None:
        self.has_texts = any(kind is str for _, _, kind in fields)
        labels = [(at, LABELS[key], kind) for at, (_, key, kind) in enumerate(fields) if key in LABELS]
        self._names = [(at, label) for at, label, kind in labels if kind is str or label.always_name]
        self._row_ids = [at for at, label, kind in labels if kind is not str and not label.always_name]
        places = {field: at for at, (field, _, _) in enumerate(fields)}
        self.run_ids = picking([places.get(field, len(fields)) for field in RUN_FIELDS])
        parts = [""]
        for field, _, _ in fields:
            parts[-1] += f'{"," if len(parts) > 1 else ""}"{field}":"'
            parts += "", '"'
        self.json = Format(parts, picking([*range(len(fields))]))

    def spelled(self, values: tuple[str, ...]) -> list[str | None] | None:
        """The ids as the usual way spells them, and None behind them; None where it has to decide."""
        ids: list[str | None] = [*values, None]
        for at in self._row_ids:
            if MAX_ROW_ID_DIGITS < len(values[at]) <= MAX_LABEL_CHARS:
                return None
        for at, label in self._names:
            value = values[at]
            if value[:4] not in PREFIXES and len(value) <= MAX_LABEL_CHARS:
                ids[at] = bids_name(value, label)
        return ids
