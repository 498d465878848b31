from __future__ import annotations

import re
from datetime import UTC, datetime

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.query.compiler import QueryCompiler, remarks
from shipper.query.conditions import Query
from shipper.query.parser import parse
from shipper.query.syntax_tree import QueryError, Word
from shipper.query.tokens import in_tokens, parts_of, regex_of, whole_words, wildcard_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def query(text: str) -> Query:
    """The query that a text gives."""
    return QueryCompiler(NOW, UTC).query(parse(text))


QUERIES = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            [
                *(
                    "AND", "OR", "NOT", "TO", "(", ")", '"', "'", "[", "]", "{", "}", "*", "?", "^2", "/a+/", "\\",
                    "\ud800",
                ),
                *(
                    "level:",
                    "log.offset:",
                    "duration:",
                    "@timestamp:>",
                    "event.created:[",
                    "process.pid=",
                    "neuroflow.*:",
                ),
                *(
                    "errors=",
                    "extra.a:",
                    "x=",
                    "time=",
                    "['a']",
                    "{'a':1}",
                    "[1,{'a':[2]}]",
                    "a,b",
                    "None",
                    "True",
                    "<x>",
                ),
                *(
                    "1e400",
                    "-1e400",
                    "nan",
                    "1_0",
                    "99999999999999999999",
                    "9999-01-01",
                    "now-9y",
                    "1e99h",
                    "~0.3",
                    "~9",
                ),
            ]
        ),
    ),
    max_size=10,
)  # fmt: skip


@given(QUERIES.flatmap(lambda parts: st.sampled_from([" ".join(parts), "".join(parts)])))
def test_any_text_is_asked_for_or_refused(text: str) -> None:
    """Any text gives a request or a sentence, never another error."""
    try:
        found = query(text)
    except QueryError as error:
        assert str(error)  # noqa: PT017 - it is one or the other
    else:
        assert orjson.dumps(found)


def test_pasted_value_may_be_a_text() -> None:
    """A pasted value that its field cannot hold is searched in texts."""
    assert "message" in str(query("time=12:30:01 duration=['a'] log.offset=x"))
    with pytest.raises(QueryError, match="@timestamp holds times"):
        query("@timestamp:12:30:01")


def test_structure() -> None:
    """AND gives filters, OR alternatives, NOT exclusions."""
    level, run = query("log.level:a"), query("neuroflow.run_id:4")
    assert {"bool": {"filter": [level, run]}} == query("log.level:a neuroflow.run_id:4")
    either = {"bool": {"should": [level, run], "minimum_should_match": 1}}
    assert either == query("log.level:a OR neuroflow.run_id:4")
    assert {"bool": {"must_not": [level]}} == query("NOT log.level:a")
    assert {"match_all": {}} == query("*")


def test_punctuation_rules_nothing_out() -> None:
    """Signs between words are ignored; alone they are no query."""
    assert query("log.level:a") == query("log.level:a - ... NOT =>")
    with pytest.raises(QueryError, match="no letter or digit"):
        query("... OR NOT --")


def test_value_that_does_not_fit() -> None:
    """A value of the wrong kind is reported; a pattern of names omits fields of other kinds."""
    with pytest.raises(QueryError, match=r"log\.offset holds numbers"):
        query("a OR NOT log.offset:x")
    assert "neuroflow.pipeline" in str(query("neuroflow.*:x"))
    assert "neuroflow.metrics.stages_failed" not in str(query("neuroflow.*:x"))


def test_what_stands_for_too_many_words_is_left_out() -> None:
    """The narrower query has no pattern within a phrase."""
    assert "intervals" in str(query("ses-01"))
    assert "intervals" not in str(QueryCompiler(NOW, UTC, joined=False).query(parse("ses-01 AND s*-01")))


def test_very_long_word() -> None:
    """A very long word is searched as a phrase."""
    text = str(query("x" * 2000))
    assert "match_phrase" in text
    assert "regexp" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("level:error x", []),
        ("levle:error levle:info", ["No line has a field levle; did you mean level?"]),
        ("exit_code:1 neuroflow.extra.exit_code:2", []),
        ("x=1", []),
        ("x:*y", ["No line has a field x"]),
        ("no.*:1", ["No line has a field no.*"]),
        ("run_id:>5", ["neuroflow.run_id holds texts, which a range compares letter by letter: 9 comes after 10"]),
        ("log.offset:>5 @timestamp:>1h", []),
        ("duration:>30m pid:<5 time:>now-1h", []),
    ],
)
def test_remarks(text: str, said: list[str]) -> None:
    """Unknown names, and ranges over texts, are reported once each."""
    assert said == list(remarks(parse(text), lambda field: field.endswith("exit_code")))


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Failed", ["failed"]),
        ("pipeline.failed.", ["pipeline.failed"]),
        ("sub-001_ses-01.nii.gz", ["sub", "001_ses", "01", "nii.gz"]),
        ("12:30 1,234.5 a:b it's", ["12", "30", "1,234.5", "a:b", "it's"]),
        ("-> ...", []),
        ("_x_", ["_x_"]),
    ],
)
def test_parts(text: str, parts: list[str]) -> None:
    """Words are split as the analyzer splits them."""
    assert parts == [part.text for part in parts_of(Word(text))]


def test_wild_parts() -> None:
    """Wildcards apply within a word."""
    one, two = Word("s?s", frozenset({1})), Word("0*", frozenset({1}))
    assert [one, two] == parts_of(Word("S?s-0*", frozenset({1, 5})))


@pytest.mark.parametrize(
    ("word", "found", "not_found"),
    [
        ("failed", ["failed", "pipeline.failed", "a_failed_b", "x failed"], ["failed2", "unfailed"]),
        ("-v", ["run -v x", "a-v"], ["-vx"]),
        ("a.b", ["a.b", "x.a.b.c"], ["axb", "a.bc"]),
    ],
)
def test_whole_words(word: str, found: list[str], not_found: list[str]) -> None:
    """A whole word has no letter or digit beside it."""
    pattern = re.compile(whole_words(Word(word)), re.DOTALL)
    assert found == [text for text in (*found, *not_found) if pattern.fullmatch(text)]


def test_colour_glued_to_a_word() -> None:
    """The analyzer joins the end of a colour code to the next word; the highlighter does not."""
    pattern = re.compile(in_tokens(Word("failed")))
    assert [True, True, False] == [bool(pattern.fullmatch(text)) for text in ("31mfailed", "0;1mfailed", "mfailed")]


def test_patterns_are_escaped() -> None:
    """Only intended wildcards are wildcards."""
    assert r"a\*.*\.\\." == regex_of(Word("a**.\\?", frozenset({2, 5})))
    assert r"a\**\\?" == wildcard_of(Word("a**\\?", frozenset({2, 4})))
