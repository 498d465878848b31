from __future__ import annotations

import hmac

import pytest

from shipper.redact.pseudonyms import MAX_LEARNED, Pseudonyms

KEY = "a key of more than sixteen letters"


def build(*chosen: str, learned: set[str] | None = None) -> Pseudonyms:
    """Pseudonyms of these ids."""
    return Pseudonyms(chosen or ("subject", "session", "recruitment"), KEY, learned or set())


def test_hash_can_be_computed_by_its_owner() -> None:
    """The first twelve characters are HMAC-SHA256 of the bare id."""
    wanted = hmac.new(KEY.encode(), b"0421", "sha256").hexdigest()[:12]
    assert build().value("subject", "sub-0421").startswith(f"sub-{wanted}")
    assert 16 == len(build().value("subject", "0421"))


@pytest.mark.parametrize(
    ("kind", "key"),
    [("subject", key) for key in ("subject", "participant_id", "Participant", "participant_label", "subjectIds")]
    + [("subject", "bids_subject_id"), ("session", "trigger_session_id"), ("recruitment", "recruitment")]
    + [(None, key) for key in ("subjects_preprocessed", "subject_count", "id", "subject_pipeline.queued", "")],
)
def test_keys_of_ids(kind: str | None, key: str) -> None:
    """Subject and participant are one kind; a count of them is no id."""
    assert kind == build("participant", "session_id", "recruitment").kind_of(key)


def test_any_key_can_be_chosen() -> None:
    """A chosen key matches by its own name, and with ``_id``."""
    chosen = build("mrn", "scan_id")
    assert ["mrn", "mrn", "scan_id", None] == [chosen.kind_of(key) for key in ("mrn", "mrn_id", "scanId", "scan")]
    assert "77" not in chosen.text("mrn=77 scan_id: 771")


@pytest.mark.parametrize(
    "text",
    [
        "sub-process and sub-second", "Subject status: pending -> valid", "subjects: 12", "5 of 12 subjects",
        "subject=all", "the subject was late", "session.registered", "participant_id=None",
        "a session, and another",
    ],
)  # fmt: skip
def test_what_is_no_id_stays(text: str) -> None:
    """Words, counts, names of events."""
    assert text == build().text(text)


def test_what_was_met_is_found_again() -> None:
    """As a whole word, before and after a restart; the saved list contains only hashes."""
    one = build()
    for kind, value in (
        ("subject", "0421"),
        ("recruitment", "REC/2024-17"),
        ("recruitment", "R 12"),
        ("subject", "Ann"),
    ):
        one.value(kind, value)
    text = "about 0421, \\n0421\\t \x1b[31m0421\x1b[0m %2F0421 REC/2024-17 (R 12) Ann; not 10421 or Anna"
    said = one.text(text)
    assert ["not", "10421", "or", "Anna"] == said.split()[-4:]
    assert not any(value in said.rpartition(";")[0] for value in ("0421", "REC", "R 12", "Ann"))
    assert said == build(learned=one.new).text(text)
    assert not any(value in repr(one.new) for value in ("0421", "REC", "R 12", "Ann"))
    assert "0421" in build().text("about 0421")


@pytest.mark.parametrize("value", ["7", "789", "42", "all", "error", "ab"])
def test_what_could_be_anything_is_hashed_under_its_key_only(value: str) -> None:
    """Common words and numbers are not learned: they would be replaced everywhere."""
    ids = build()
    ids.value("subject", value)
    assert f"took {value} s" == ids.text(f"took {value} s")
    assert set() == ids.new


def test_hashes_are_not_hashed_again() -> None:
    """A pseudonym is not hashed again; a text that only looks like one is."""
    ids = build()
    once = ids.value("subject", "sub-0421")
    assert (once, once) == (ids.value("subject", once), ids.text(once))
    assert "sub-0123456789abcdef" != ids.value("subject", "sub-0123456789abcdef")


def test_several_in_one_value() -> None:
    """Each of several ids in one value is hashed by itself."""
    ids = build()
    one, other = ids.value("subject", "0421"), ids.value("subject", "0422")
    assert f"{one},{other}" == ids.value("subject", "0421,0422")
    session = ids.value("session", "ses-01")
    assert f"sub-{one}_{session}" == ids.value("subject", "sub-0421_ses-01")


def test_memory_is_bounded() -> None:
    """Further ids are hashed under their keys, and not learned."""
    ids = build(learned={f"{number:016x}.1" for number in range(MAX_LEARNED)})
    ids.value("subject", "0421")
    assert (MAX_LEARNED, set()) == (ids.learned_count, ids.new)
