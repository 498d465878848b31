"""What never leaves the machine: secrets become ``[redacted]``, chosen ids a keyed hash.

One object for everything that shows or keeps what was in a line: documents, dead letters, paths, the sidecar's own
log.  Documents are copied where they change, since those of a block share parts.
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
"""What no line has a say in, at a document's top."""
_FIXED = frozenset({"generation", "original", "offset", "flags", "created", "dataset", "iostream"})
"""What has a fixed shape in ``event``, ``log`` and ``neuroflow``."""
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
"""Fields that the source knows by another name."""
_NAMING = ("key", "name", "field", "setting", "option", "variable", "header", "attribute", "column", "parameter")
_NAMED = ("value", "old_value", "new_value", "old", "new", "default", "previous", "current")
"""``{"key": "api_token", "value": …}``: the one names what the other holds."""
_ID_KEYS = frozenset({"id", "label", "name", "code", "value"})
"""``{"subject": {"id": …}}``."""

_SHORT_CHARS = 128
_MAX_SECRETS = 64
_MAX_SHORT_TEXTS = 20_000


class _KeyMeaning(NamedTuple):
    """What a key says of what is under it: a secret, or an id of some kind."""

    secret: bool = False
    kind: str | None = None

    def __bool__(self) -> bool:
        return self.secret or self.kind is not None


_NOTHING = _KeyMeaning()


class Redactor:
    """Takes secrets and chosen ids out of everything.

    ``new`` holds what was learned about ids since it was last emptied: hashes, to be given back as ``known``.

    Args:
        settings: which keys, which ids, and the hash's key.
        known: what earlier runs learned.
    """

    def __init__(self, settings: config.Redact, known: Iterable[str] = ()) -> None:
        self._secrets = Secrets(settings.keys)
        self._ids = Pseudonyms(settings.hash, settings.hash_key or "", known)
        self._hashes = self._ids.active
        self._short_texts: dict[str, str] = {}
        self._short_texts_at = 0
        self.active = self._secrets.active or self._hashes

    @property
    def new(self) -> set[str]:
        """What was learned since this was last emptied."""
        return self._ids.new

    @new.setter
    def new(self, value: set[str]) -> None:
        self._ids.new = value

    def suspects(self, data: bytes) -> bool:
        """Whether anything in a block's bytes may need redaction; cheap, and never wrong when it says no."""
        return self._hashes or self._secrets.suspects(data)

    def text(self, text: str) -> str:
        """A sentence without secrets, its ids hashed."""
        secrets: set[str] = set()
        return _without(self._text(text, secrets), secrets)

    def _text(self, text: str, secrets: set[str]) -> str:
        text = self._secrets.text(text, secrets)
        return self._ids.text(text) if self._hashes else text

    def path(self, path: str) -> str:
        """A file's path as it may be shown and stored."""
        return self.text(path)

    def conceal(self, path: str) -> str:
        """What stands for a path in the state directory: where ids are hashed a digest, the same for ever.

        What was concealed already, and is no absolute path any more, stays as it is.
        """
        if not self._hashes or not path.startswith("/"):
            return path
        return f"~{self._ids.digest(path)}{packed_ending(path)}"

    def recall(self, known: Iterable[str]) -> None:
        """Take in what earlier runs learned."""
        self._ids.recall(known)

    def line(self, raw: bytes) -> bytes:
        """A raw line as it may be kept; bytes that are no UTF-8 stay as they are."""
        secrets: set[str] = set()
        if raw.lstrip()[:1] == b"{":
            with suppress(orjson.JSONDecodeError, RecursionError):
                self._structure(orjson.loads(raw), _NOTHING, secrets)  # for what it tells and teaches
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
        # First what keys say, which teaches the ids; then the texts.
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
        return _KeyMeaning(secret, None if secret or not self._hashes else self._ids.kind_of(key))

    def _structure(
        self, value: Any, under: _KeyMeaning, secrets: set[str], where: str = "", *, top: bool = False
    ) -> Any:
        """Redact what keys name; gives the same object where nothing had to be.

        Args:
            value: what is under a key.
            under: what that key and those above say of it.
            secrets: the secrets that were found are added.
            where: the key.
            top: it is a field of ECS that holds others: its own shape stays.
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
        """The pseudonym of an id; a number under a plural is how many there are."""
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
            elif (
                under.kind and not inner and not top and (key in {"id", "label", "name", "code"} or type(item) is str)
            ):
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
        """An audit record: its entity is an id where the type says so, its values where another field names them."""
        entity = dict(neuroflow["audit"])
        kind = self._ids.kind_of(entity.get("entity_type", "")) if self._hashes else None
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
        """Names, words and paths come again and again: what became of them is kept until another id is met."""
        if len(text) > _SHORT_CHARS:
            return self._text(text, secrets)
        if self._ids.known != self._short_texts_at or len(self._short_texts) > _MAX_SHORT_TEXTS:
            self._short_texts, self._short_texts_at = {}, self._ids.known
        new = self._short_texts.get(text)
        if new is None:
            before = len(secrets)
            new = self._text(text, secrets)
            if len(secrets) == before:  # else what it tells would be lost the next time
                self._short_texts[text] = new
        return new


def _texts(value: Any, change: Callable[[str], str], *, top: bool = False) -> Any:
    """Change every text, keys too; gives the same object where nothing had to be."""
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
                name += "_"  # two keys that differed in a secret alone
            new[name] = _texts(item, change)
            changed = changed or name != key or new[name] is not item
        return new if changed else value
    if isinstance(value, list):
        items = [_texts(item, change) for item in value]
        return items if any(one is not other for one, other in zip(items, value, strict=True)) else value
    return value


def _without(text: str, secrets: set[str]) -> str:
    """The text without these secrets, in whichever way they are spelled."""
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
    """Every text in a secret value is a secret."""
    if isinstance(value, str):
        if len(secrets) < _MAX_SECRETS:
            secrets.add(value)
    elif isinstance(value, dict):
        for item in value.values():
            _collect(item, secrets)
    elif isinstance(value, list):
        for item in value:
            _collect(item, secrets)
