"""Redacts everything that contains parts of lines: documents, dead letters, paths, the sidecar's log.

Secrets become ``[redacted]``, configured ids keyed hashes.  Parts of a document that change are copied, since the
documents of a block share parts.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import orjson

from shipper import config
from shipper.redact.pseudonyms import Pseudonyms
from shipper.redact.secrets import MIN_SECRET_CHARS, REDACTED, Secrets
from shipper.tail.rotation_names import packed_ending

_UNTOUCHED = frozenset({"@timestamp", "host", "agent", "ecs", "data_stream", "tags"})
"""Top-level keys of a document that contain nothing of a line."""
_FIXED = frozenset({"generation", "original", "offset", "flags", "created", "dataset", "iostream"})
"""Keys in ``event``, ``log`` and ``neuroflow`` with values of a fixed form."""
_SHAPED = frozenset({"event", "log", "neuroflow"})
_SOURCES = {
    ("user", "id"): "user_id",
    ("log", "logger"): "component",
    ("process", "name"): "process_name",
    ("task", "id"): "task_id",
    ("task", "name"): "task_name",
    ("error", "type"): "error_type",
    ("error", "message"): "error",
}
"""Fields → key of the log line, by which a configured name is matched."""
_NAMING = ("key", "name", "field", "setting", "option", "variable", "header", "attribute", "column", "parameter")
_NAMED = ("value", "old_value", "new_value", "old", "new", "default", "previous", "current")
"""``{"key": "api_token", "value": …}``: the first contains the name of the second."""
_ID_KEYS = frozenset({"id", "label", "name", "code"})
"""``{"subject": {"id": …}}``: the value is an id of the outer key's kind."""

_MAX_SHORT_CHARS = 128
_MAX_SECRETS = 64
_MAX_SHORT_TEXTS = 20_000


class _KeyMeaning(NamedTuple):
    """What a key contains: a secret, an id of a kind, or neither."""

    secret: bool = False
    kind: str | None = None

    def __bool__(self) -> bool:
        return self.secret or self.kind is not None


_NOTHING = _KeyMeaning()


class Redactor:
    """Removes secrets and hashes configured ids.

    Args:
        settings: which keys, which ids, and the key of the hash.
        learned: ids learned before the restart, from ``new``.

    Attributes:
        active: whether there is anything to redact.
        hashes: whether ids are hashed.
    """

    def __init__(self, settings: config.Redact, learned: Iterable[str] = ()) -> None:
        self._secrets = Secrets(settings.keys)
        self._ids = Pseudonyms(settings.hash, settings.hash_key or "", learned)
        self.hashes = self._ids.active
        self._short_texts: dict[str, str] = {}
        self._short_texts_at = 0
        self.active = self._secrets.active or self.hashes

    @property
    def new(self) -> set[str]:
        """Hashes of learned ids that have not been saved; the caller saves and empties it."""
        return self._ids.new

    @new.setter
    def new(self, value: set[str]) -> None:
        self._ids.new = value

    def suspects(self, data: bytes) -> bool:
        """Whether a block's bytes may contain something to redact; a cheap test without false negatives."""
        return self.hashes or self._secrets.suspects(data)

    def suspects_texts(self, data: bytes) -> bool:
        """The same for many texts, a line each: those that differ only in digits are looked at once."""
        if not self._secrets.named_by_digits:
            data = b"\n".join(set(data.translate(None, b"0123456789").split(b"\n")))
        return self.suspects(data)

    def text(self, text: str) -> str:
        """A text without secrets, its ids hashed."""
        secrets: set[str] = set()
        return _without(self._text(text, secrets), secrets)

    def _text(self, text: str, secrets: set[str]) -> str:
        text = self._secrets.text(text, secrets)
        return self._ids.text(text) if self.hashes else text

    def path(self, path: str) -> str:
        """A file's path for documents and messages."""
        return self.text(path)

    def conceal(self, path: str) -> str:
        """A path for the state directory: a keyed digest if ids are hashed; digests stay unchanged."""
        if not self.hashes or not path.startswith("/"):
            return path
        return f"~{self._ids.digest(path)}{packed_ending(path)}"

    def recall(self, learned: Iterable[str]) -> None:
        """Add ids that were learned before the restart."""
        self._ids.recall(learned)

    def line(self, raw: bytes) -> bytes:
        """A raw line, redacted; bytes that are not UTF-8 stay unchanged."""
        secrets: set[str] = set()
        if raw.lstrip()[:1] == b"{":
            with suppress(orjson.JSONDecodeError, RecursionError):
                self._structure(orjson.loads(raw), _NOTHING, secrets)  # finds secrets and learns ids
        return self._line(raw, secrets)

    def _line(self, raw: bytes, secrets: set[str]) -> bytes:
        text = raw.decode("utf-8", "surrogateescape")
        new = _without(self._text(text, secrets), secrets)
        return raw if new == text else new.encode("utf-8", "surrogateescape")

    def document(self, document: dict[str, Any]) -> None:
        """Redact a document in place."""
        secrets: set[str] = set()
        neuroflow = document.setdefault("neuroflow", {})
        original = neuroflow.get("original")
        # First the values under configured keys, from which ids are learned, then all texts.
        for key, value in document.items():
            if key not in _UNTOUCHED:
                document[key] = self._structure(value, self._meaning(key), secrets, key, top=True)
        neuroflow = document["neuroflow"]
        if "audit" in neuroflow:
            neuroflow = document["neuroflow"] = self._audit(neuroflow, secrets)
        self._each_text(document, lambda text: self._short(text, secrets))
        if original is not None:
            raw = b64decode(original)
            new = self._line(raw, secrets)
            if new is not raw:
                document["neuroflow"] = {**document["neuroflow"], "original": b64encode(new).decode()}
        if secrets:
            self._each_text(document, lambda text: _without(text, secrets))

    @staticmethod
    def _each_text(document: dict[str, Any], change: Callable[[str], str]) -> None:
        for key, value in document.items():
            if key not in _UNTOUCHED:
                document[key] = _texts(value, change, top=True)

    def _meaning(self, key: str) -> _KeyMeaning:
        secret = self._secrets.active and self._secrets.names(key)
        return _KeyMeaning(secret, None if secret or not self.hashes else self._ids.kind_of(key))

    def _structure(
        self, value: Any, under: _KeyMeaning, secrets: set[str], where: str = "", *, top: bool = False
    ) -> Any:
        """Redact values under configured keys; gives the same object if nothing changes.

        Args:
            value: the value under a key.
            under: what that key and those above it contain.
            secrets: takes the secrets that are found.
            where: the key.
            top: the value is an object of ECS: its own keys stay.
        """
        if isinstance(value, dict):
            return self._dict(value, under, secrets, where, top=top)
        if isinstance(value, list):
            return self._list(value, under, secrets)
        if not under or value is None or isinstance(value, bool):
            return value
        if under.secret:
            _collect(value, secrets)
            return value if value == REDACTED else REDACTED
        return self._id(under.kind or "", where, value)

    def _id(self, kind: str, where: str, value: Any) -> Any:
        """The pseudonym of an id; a number under a plural is a count."""
        if isinstance(value, str):
            if value and value[0] in "[{" and value[-1] in "]}":
                return self._ids.items(kind, value)
            return ", ".join(self._ids.value(kind, one) for one in value.split(", "))
        if where.lower().endswith(("s", "number")) and not where.lower().endswith("ids"):
            return value
        return self._ids.value(kind, str(value))

    def _dict(self, value: dict[str, Any], under: _KeyMeaning, secrets: set[str], where: str, *, top: bool) -> Any:
        if under.secret and not top:
            _collect(value, secrets)
            return REDACTED if value else value
        named = _NOTHING
        for key in _NAMING:
            if type(name := value.get(key)) is str and (named := self._meaning(name)):
                break
        changed: dict[str, Any] = {}
        for key, item in value.items():
            if top and where in _SHAPED and key in _FIXED:
                continue
            source = _SOURCES.get((where, key), key)
            inner = self._meaning(source)
            if named and not inner and key in _NAMED:
                inner = named
            elif under.kind and not inner and not top and (key in _ID_KEYS or type(item) is str):
                inner = under
            keeps = top and where == "neuroflow" and key in {"audit", "extra", "metrics", "task"}
            new = self._structure(item, _NOTHING if keeps else inner, secrets, key, top=keeps)
            if new is not item:
                changed[key] = new
        result = {**value, **changed} if changed else value
        if under.kind and not top and where.lower().endswith("s"):
            learn = [any(map(str.isdigit, key)) for key in result]
            return {
                self._ids.value(under.kind, key, learn=sure): item
                for sure, (key, item) in zip(learn, result.items(), strict=True)
            }
        return result

    def _list(self, value: list[Any], under: _KeyMeaning, secrets: set[str]) -> Any:
        if under.secret:
            _collect(value, secrets)
            return REDACTED if value else value
        flagged = _NOTHING
        new = []
        for index, item in enumerate(value):
            is_text = type(item) is str
            flag = is_text and item[:1] == "-" and "=" not in item
            if flag:
                flagged = self._meaning(item.strip("-"))
            elif is_text and index == 1 and len(value) == 2 and type(value[0]) is str and not under:
                flagged = self._meaning(value[0])  # ["authorization", "Bearer …"]
            new.append(item if flag else self._structure(item, under or flagged, secrets))
            if not flag and flagged.secret:
                flagged = _NOTHING
        return new if any(one is not other for one, other in zip(new, value, strict=True)) else value

    def _audit(self, neuroflow: dict[str, Any], secrets: set[str]) -> dict[str, Any]:
        """Redact an audit record: its entity by the type, its values by a name in ``extra``."""
        entity = dict(neuroflow["audit"])
        kind = self._ids.kind_of(entity.get("entity_type", "")) if self.hashes else None
        if kind is not None and "entity_id" in entity:
            hashed = self._ids.value(kind, entity["entity_id"])
            entity.update(entity_id=hashed, entity=f"{entity['entity_type']}:{hashed}")
        extra: dict[str, Any] = neuroflow.get("extra") or {}
        for key in _NAMING:
            if type(name := extra.get(key)) is str and (named := self._meaning(name)):
                for one in ("old_value", "new_value"):
                    if one in entity:
                        entity[one] = self._structure(entity[one], named, secrets, one)
        return {**neuroflow, "audit": entity}

    def _short(self, text: str, secrets: set[str]) -> str:
        """Redact a text with a cache for short ones, which repeat; valid until another id is learned."""
        if len(text) > _MAX_SHORT_CHARS:
            return self._text(text, secrets)
        if self._ids.learned_count != self._short_texts_at or len(self._short_texts) > _MAX_SHORT_TEXTS:
            self._short_texts, self._short_texts_at = {}, self._ids.learned_count
        new = self._short_texts.get(text)
        if new is None:
            before = len(secrets)
            new = self._text(text, secrets)
            if len(secrets) == before:  # else the cache would hide the secrets in it
                self._short_texts[text] = new
        return new


def _texts(value: Any, change: Callable[[str], str], *, top: bool = False) -> Any:
    """Change every text, also keys; gives the same object if nothing changes."""
    if isinstance(value, str):
        new_text = change(value)
        return value if new_text == value else new_text
    if isinstance(value, dict):
        changed = False
        new: dict[str, Any] = {}
        for key, item in value.items():
            if top and key in _FIXED:
                new[key] = item
                continue
            name = key if top else change(key)
            while name in new:
                name += "_"  # two keys that differed only in a secret
            new[name] = _texts(item, change)
            changed = changed or name != key or new[name] is not item
        return new if changed else value
    if isinstance(value, list):
        items = [_texts(item, change) for item in value]
        return items if any(one is not other for one, other in zip(items, value, strict=True)) else value
    return value


def _without(text: str, secrets: set[str]) -> str:
    """The text without these secrets, plain or escaped."""
    for secret in secrets:
        if len(secret) < MIN_SECRET_CHARS or secret in REDACTED:
            continue
        for spelled in {
            secret,
            json.dumps(secret, ensure_ascii=False)[1:-1],
            json.dumps(secret)[1:-1],
            secret.encode("unicode_escape").decode(),
        }:
            if spelled in text:
                text = text.replace(spelled, REDACTED)
    return text


def _collect(value: Any, secrets: set[str]) -> None:
    """Add every text in a secret value."""
    if isinstance(value, str):
        if len(secrets) < _MAX_SECRETS:
            secrets.add(value)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, secrets)
    elif isinstance(value, list):
        for item in value:
            _collect(item, secrets)
