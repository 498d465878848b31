"""Ids of people → keyed hashes, the same for an id wherever it stands.

An id is recognised by its key, by the word before it, by its ``sub-`` or ``ses-``, or because it was *learned*: seen
before in one of these ways.  Of learned ids only hashes are kept, so they may be saved; a text is searched by hashing
its words.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from functools import lru_cache

from shipper.redact.key_value_spans import Value, name_around, value_after, words

MAX_LEARNED = 100_000
_HEX = 12
_CHECK = 4
_MAX_PIECES = 6
_MAX_DEPTH = 3
_MAX_ID_CHARS = 128
_SYNONYMS = {
    "subject": ("subject", "participant"),
    "participant": ("subject", "participant"),
    "session": ("session",),
    "recruitment": ("recruitment",),
}
_PREFIXES = {"subject": "sub-", "session": "ses-"}
_TAILS = frozenset({"id", "ids", "label", "labels", "name", "names", "code", "codes", "list", "number"})
# Words in the place of an id: they are neither hashed nor learned.
_NOT_IDS = frozenset(
    re.findall(
        r"\w+",
        """
        all any none null nan unknown missing default test true false error info warning debug failed completed
        pending running queued system subject subjects participant participants session sessions recruitment pipeline
        status started created registered discovered invalid valid processing excluded validated
        """,
    )
)
# English words behind "sub-".
_NOT_LABELS = frozenset(
    re.findall(
        r"\w+",
        """
        process processes processing second seconds millisecond millimeter millimetre directory directories dir dirs
        folder folders task tasks step steps module modules stage stages command commands section sections pixel voxel
        optimal set sets sample samples sampling system systems type types agent domain domains path paths page item
        items group groups class component components graph query shell
        """,
    )
)
_EDGES = re.compile(r"^[\W_]+|[\W_]+\Z")
_SEVERAL = re.compile(r"[^,;]+(?=[,;])|(?<=[,;])[^,;]+")
_DIGIT = re.compile(r"\d")
# Words, and what has to be skipped to find them: escapes of \n and %20, codes of colours.
_PIECE = re.compile(r"\\[nrt]|\[[0-9;]{0,20}m|%[0-9A-Fa-f]{2}|[^\W_]+")
_NUMBERED = re.compile(r"(?:\\[nrt]|\[[0-9;]{0,20}m|%[0-9A-Fa-f]{2}|(?<![^\W_]))([^\W\d_]*\d[^\W_]*)")
_LABEL = re.compile(
    r"(?:(?<![^\W_])|(?<=\\[nrt])|(?<=%2[Ff])|(?P<glued>))(?P<prefix>sub-|ses-)(?P<label>[^\W_]+)", re.IGNORECASE
)
_NAMED_FILE = re.compile(r"(?:(?<=/)|\A)(?!sub-)(?P<id>[^/\s\"'_=:]{1,128})(?=_ses-)", re.IGNORECASE)
_NEAR = re.compile(r"""(?:[ \t]{0,4}[#/][ \t]{0,4}|[ \t]{1,4})(?P<id>[^\s/"'\\,;:()\[\]{}<>=\x1b]{1,128})""")
_MORE = re.compile(r"[ \t]{1,4}(?P<id>(?!-)[^\s\"'\\,;:()\[\]{}<>=\x1b]{1,128})")
_ITEM = re.compile(
    r"""["'](?P<quoted>[^"'\\]{1,128})(?=\\{0,8}(?:["'](?!\s{0,4}:)|\Z))|(?<![\w"'.\-])(?P<bare>[\w.\-]{1,128})"""
)
_ENTITY_TYPE = re.compile(r"entity_type[^\w\s]{0,8}[\s:=]{1,4}[^\w\s]{0,8}(\w{1,64})")
_ENTITY_ID = re.compile(r"(entity_id[^\w\s]{0,8}[\s:=]{1,4}[^\w\s]{0,8})([^\s\"'\\,;:()\[\]{}<>=]{1,128})")
_AFTER_ID = re.compile(r"[\"']? (?:registered|discovered at)\b")
_INSIDE = re.compile(r"[_/\\]")


class Pseudonyms:
    """Replaces ids, and learns them to recognise them elsewhere.

    Args:
        chosen: which ids: subject, participant, session, recruitment, or the name of any key.
        key: of the hash.
        learned: ids learned before the restart, from ``new``.

    Attributes:
        active: whether any ids are chosen.
        prefixes: BIDS prefix of each chosen kind that has one.
        new: learned ids that have not been saved; the caller saves and empties it.
    """

    def __init__(self, chosen: Iterable[str], key: str, learned: Iterable[str] = ()) -> None:
        self._key = key.encode()
        self._kinds: dict[tuple[str, ...], str] = {}
        self._exact: dict[tuple[str, ...], str] = {}
        for one in chosen:
            parts = words(one)
            base = parts[:-1] if len(parts) > 1 and parts[-1] in {"id", "ids"} else parts
            if len(base) == 1 and base[0].removesuffix("s") in _SYNONYMS:
                synonyms = _SYNONYMS[base[0].removesuffix("s")]
                for word in synonyms:
                    self._kinds[(word,)] = self._kinds[(f"{word}s",)] = synonyms[0]
            elif parts:
                for name in (parts, base, (*base, "id"), (*base, "ids")) if base == parts else (parts,):
                    self._exact[name] = "_".join(parts)
        self.active = bool(self._kinds or self._exact)
        self.prefixes = {kind: _PREFIXES[kind] for kind in self._kinds.values() if kind in _PREFIXES}
        spelled = [*{name[0].removesuffix("s") for name in self._kinds}]
        spelled += [r"[ _.\-]?".join(map(re.escape, name)) for name in self._exact]
        self._finder = re.compile("|".join(sorted(spelled, key=len, reverse=True)) or r"(?!)", re.IGNORECASE)
        self._learned: set[str] = set()
        self._digests: set[tuple[str, int]] = set()
        self._lengths: tuple[int, ...] = ()
        # All learned ids are single words with a digit, so only such words of a text are hashed.
        self._numbered_only = True
        self.new: set[str] = set()
        self.recall(learned)
        self.digest = lru_cache(maxsize=2**16)(self._digest)
        self.kind_of = lru_cache(maxsize=2**14)(self._kind_of)

    def recall(self, learned: Iterable[str]) -> None:
        """Add ids that were learned before the restart."""
        for one in learned:
            self._remember(one)

    @property
    def learned_count(self) -> int:
        """How many ids are learned."""
        return len(self._learned)

    def _kind_of(self, key: str) -> str | None:
        """The kind of chosen id under a key of this name, or None."""
        parts = words(key)
        exact = self._exact.get(parts)
        if exact is not None:
            return exact
        while len(parts) > 1 and parts[-1] in _TAILS:
            parts = parts[:-1]
        return self._kinds.get(parts[-1:]) if parts else None

    def _digest(self, canonical: str) -> str:
        head = hmac.digest(self._key, canonical.encode("utf-8", "surrogatepass"), "sha256").hex()[:_HEX]
        return head + self._check(head)

    def _check(self, head: str) -> str:
        """A checksum that distinguishes pseudonyms from ids of the same form, so that they are not hashed again."""
        return hmac.digest(self._key, b"\0" + head.encode(), "sha256").hex()[:_CHECK]

    def is_pseudonym(self, text: str) -> bool:
        """Whether this is a pseudonym made with this key."""
        return len(text) == _HEX + _CHECK and text.isascii() and self._check(text[:_HEX]) == text[_HEX:]

    def value(self, kind: str, text: str, *, learn: bool = True) -> str:
        """The pseudonym of a value of a kind, after its BIDS prefix; ``learn`` it to find it in other texts."""
        if kind in _PREFIXES and _SEVERAL.search(text):
            return _SEVERAL.sub(lambda found: self.value(kind, found[0], learn=learn), text)
        prefix, canonical = self._split(kind, text)
        if not canonical or canonical.lower() in _NOT_IDS or self.is_pseudonym(canonical):
            return text
        if prefix and (inside := _INSIDE.search(canonical)) and canonical[inside.end() :].lower().startswith("ses-"):
            return self.text(text)  # "sub-0421_ses-01": two ids
        if learn:
            self.learn(canonical)
        return prefix + self.digest(canonical)

    def _split(self, kind: str, text: str) -> tuple[str, str]:
        text = _EDGES.sub("", text) or text.strip()
        prefix = _PREFIXES.get(kind, "")
        if prefix and text[: len(prefix)].lower() == prefix:
            return text[: len(prefix)], _EDGES.sub("", text[len(prefix) :])
        return "", text

    def learn(self, canonical: str) -> None:
        """Replace this id in all texts from now on, unless it resembles common words or numbers."""
        if len(self._learned) >= MAX_LEARNED or not _is_distinctive(canonical):
            return
        pieces = [piece for piece in _PIECE.findall(canonical) if piece[0].isalnum()]
        if not 0 < len(pieces) <= _MAX_PIECES:
            return
        digest = self.digest(canonical)
        one = f"{digest}.{len(pieces)}" if _DIGIT.search(canonical) else f"{digest}.{len(pieces)}w"
        if one not in self._learned:
            self._remember(one)
            self.new.add(one)

    def _remember(self, one: str) -> None:
        """Add a learned id: its hash, a dot, its number of words, and ``w`` if it has no digit."""
        digest, _, shape = one.partition(".")
        count = int(shape.rstrip("w") or 1)
        self._learned.add(one)
        self._digests.add((digest, count))
        self._lengths = tuple(sorted({*self._lengths, count}, reverse=True))
        self._numbered_only = self._numbered_only and shape == "1"

    def text(self, text: str) -> str:
        """The text with its ids replaced."""
        if self._finder.search(text):
            text = self._replace_named(text)
            if "entity_id" in text:
                text = self._entity(text)
        if "_ses-" in text and "subject" in self.prefixes:
            text = _NAMED_FILE.sub(lambda found: self.value("subject", found["id"]), text)
        if self._learned:
            text = self._replace_learned(text)
        if "-" in text and self.prefixes:
            text = _LABEL.sub(self._label, text)
        return text

    def items(self, kind: str, text: str) -> str:
        """A list as text, ``["0421", "0422"]``, with its items replaced."""

        def replace(found: re.Match[str]) -> str:
            item = found["quoted"] or found["bare"]
            return found[0].replace(item, self.value(kind, item)) if _DIGIT.search(item) else found[0]

        return _ITEM.sub(replace, text)

    def _entity(self, text: str) -> str:
        """An audit record as text, with the id of its entity replaced if its type is chosen."""
        kinds = (self.kind_of(found[1]) for found in _ENTITY_TYPE.finditer(text))
        kind = next(filter(None, kinds), None)
        if kind is None:
            return text
        return _ENTITY_ID.sub(lambda found: found[1] + self.value(kind, found[2]), text)

    def _label(self, found: re.Match[str]) -> str:
        prefix, label = found["prefix"], found["label"]
        kind = "subject" if prefix.lower() == "sub-" else "session"
        has_digit = _DIGIT.search(label) is not None
        if kind not in self.prefixes or self.is_pseudonym(label):
            return found[0]
        if not has_digit and (found["glued"] is not None or label.lower() in _NOT_LABELS):
            return found[0]
        if has_digit:
            self.learn(label)
        return prefix + self.digest(label)

    def _replace_learned(self, text: str) -> str:
        """Replace learned ids, longest first."""
        if self._numbered_only:
            return _NUMBERED.sub(self._replace_learned_one, text)
        pieces = [found for found in _PIECE.finditer(text) if found[0][0].isalnum()]
        lengths, digests, digest = self._lengths, self._digests, self.digest
        parts: list[str] = []
        done = at = 0
        while at < len(pieces):
            start = pieces[at].start()
            step = 1
            for count in lengths:
                if at + count > len(pieces):
                    continue
                end = pieces[at + count - 1].end()
                one = text[start:end]
                if end - start > _MAX_ID_CHARS or not _is_distinctive(one):
                    continue
                pseudonym = digest(one)
                if (pseudonym, count) in digests:
                    parts += text[done:start], pseudonym
                    done, step = end, count
                    break
            at += step
        return "".join(parts) + text[done:] if parts else text

    def _replace_learned_one(self, found: re.Match[str]) -> str:
        one = found[1]
        if not _is_distinctive(one) or ((pseudonym := self.digest(one)), 1) not in self._digests:
            return found[0]
        return found[0][: -len(one)] + pseudonym

    def _replace_named(self, text: str, depth: int = 0) -> str:
        """Replace values behind chosen names: ``participant=0421``, ``--participant-label 0421``."""
        parts: list[str] = []
        done = at = 0
        while found := self._finder.search(text, at):
            first, at = name_around(text, found.start(), found.end())
            first = max(first, done)
            kind = self.kind_of(text[first:at].strip(".-"))
            if kind is None:
                continue
            value = value_after(text, first, at, self._is_kind)
            if value is not None and value.form == "brackets":
                inner = text[value.start : value.end]
                inner = self.items(kind, self._replace_named(inner, depth + 1) if depth < _MAX_DEPTH else inner)
                parts += text[done : value.start], inner
                done = at = value.end
                continue
            for start, end in self._spans(text, first, at, value):
                content = text[start:end]
                learn = _DIGIT.search(content) is not None
                pseudonym = self.value(kind, content, learn=learn)
                if pseudonym != content:
                    parts += text[done:start], pseudonym
                    done = end
                at = max(at, end)
        return "".join(parts) + text[done:] if parts else text

    def _spans(self, text: str, first: int, end: int, value: Value | None) -> list[tuple[int, int]]:
        """Start and end of each id behind a name."""
        if value is None or (value.link == " " and value.form == "bare"):
            return self._near(text, first, end)
        content = text[value.start : value.end]
        has_digit = _DIGIT.search(content) is not None
        if not content or (value.link == "," and not has_digit):
            return []
        if content.isdigit() and not _is_distinctive(content) and text[first:end].rstrip(".-").lower().endswith("s"):
            return []  # a number of subjects, not an id
        if value.form == "bare":
            return [_until_session(text, value)]
        return [(value.start, value.end)]

    def _is_kind(self, name: str) -> bool:
        return self.kind_of(name.strip(".-")) is not None

    @staticmethod
    def _near(text: str, first: int, end: int) -> list[tuple[int, int]]:
        """Ids behind a blank, a slash or a #; they must contain a digit."""
        spans: list[tuple[int, int]] = []
        found = _NEAR.match(text, end)
        while found is not None:
            content = found["id"].rstrip(".-_!?")
            if not _DIGIT.search(content) and not _AFTER_ID.match(text, found.end()):
                break
            cut = content.lower().find("_ses-")
            start = found.start("id")
            spans.append((start, start + (cut if cut > 0 else len(content))))
            found = _MORE.match(text, found.end()) if text[first] == "-" else None  # --participant-label 01 02
        return spans


def _until_session(text: str, value: Value) -> tuple[int, int]:
    """A bare value up to the start of another id: ``0421_ses-01``, ``0421/ses-01``."""
    content = text[value.start : value.end].lower()
    cut = min((at for sign in ("_ses-", "/ses-") if (at := content.find(sign)) > 0), default=len(content))
    return value.start, value.start + cut


def _is_distinctive(text: str) -> bool:
    """Whether an id differs from common words and small numbers."""
    if len(text) < 3 or len(text) > _MAX_ID_CHARS:
        return False
    if text.isdigit():
        return text[0] == "0" or len(text) >= 5
    return any(map(str.isalpha, text)) and text.lower() not in _NOT_IDS
