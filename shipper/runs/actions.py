"""What bulk requests for run documents contain, and the state of one call that sends them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from shipper.document.fact_templates import TemplateFacts
from shipper.elastic.outcomes import Verdict
from shipper.elastic.packed import Packed
from shipper.runs.facts import Fact, WaitingFacts
from shipper.runs.grown import Grown
from shipper.runs.templates import TemplateRun


@dataclass(slots=True)
class Written:
    """The result of ``RunDocuments.write``.

    Attributes:
        retry: facts that could not be written now.
        why: Elasticsearch's reason for the last of these.
        refused: ids of documents that can't be written, with Elasticsearch's reason.
        sent: bytes of all requests.
        documents: how many were created or replaced, each time counted.
    """

    retry: WaitingFacts = field(default_factory=dict)
    why: Verdict | None = None
    refused: list[tuple[str, Verdict]] = field(default_factory=list)
    sent: int = 0
    documents: int = 0


class Action(NamedTuple):
    """What one request contains for one run.

    Attributes:
        identity: the id of its document.
        added: the facts to add; of an update, decoded.
        facts: all facts of the document in the request, encoded.
        awaits_facts: it is an update, whose answer has to contain the document's facts.
        whole: it contains the whole document, although there may be none: as a create, or as the update's ``upsert``,
            which some servers refuse.
    """

    identity: str
    added: dict[str, Fact] | bytes | TemplateFacts
    facts: bytes | TemplateFacts | Grown
    awaits_facts: bool = False
    whole: bool = False


class Creates(NamedTuple):
    """What one request contains for new runs, whose documents are made from a template."""

    runs: list[TemplateRun]


Prepared = tuple[Action | Creates, bytes]
"""An action and its lines of the request."""


class Request:
    """A bulk request, compressed while it is filled: what is added is in the processor's cache then.

    Args:
        compress: it, if it is large.

    Attributes:
        actions: in their order.
        body: their lines.
    """

    def __init__(self, *, compress: bool) -> None:
        self.actions: list[Action | Creates] = []
        self.body = Packed(compressed=compress)

    @property
    def size(self) -> int:
        """Bytes, before they are compressed."""
        return self.body.size

    def add(self, prepared: Prepared | None) -> None:
        """Add an action, if there is one."""
        if prepared is not None:
            action, lines = prepared
            self.actions.append(action)
            self.body.add([lines])


Waiting = Mapping[str, dict[str, Fact] | bytes | TemplateFacts]


class Pass:
    """The state of one call of ``write``: runs to send, runs to send again, and the result."""

    def __init__(self, facts: Waiting) -> None:
        self.queue = deque(facts.items())
        self.again: WaitingFacts = {}
        self.existing: set[str] = set()  # runs that have a document
        self.facts_only: set[str] = set()  # runs of which only facts are sent
        self.new = self.found = 0  # runs of the last request without and with a document
        self.written = Written()

    def refuse(self, identity: str, verdict: Verdict) -> None:
        """Give up a run."""
        self.written.refused.append((identity, verdict))

    def later(self, action: Action, verdict: Verdict) -> None:
        """Leave a run to the next call."""
        self.written.retry[action.identity] = action.added
        self.written.why = verdict


def runs_of(action: Action | Creates) -> list[tuple[str, dict[str, Fact] | bytes | TemplateFacts]]:
    """The runs in an action, and the facts to add."""
    return [*action.runs] if isinstance(action, Creates) else [(action.identity, action.added)]
