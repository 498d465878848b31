"""Records the answers to the requests of this process, and plays them again with one fault."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, Urllib3HttpNode
from elastic_transport._node import NodeApiResponse  # what nodes give; public in signature only

from tests.bending import Answer, bent

_ASK = Urllib3HttpNode.perform_request
Key = tuple[str, str]


class Tape:
    """Answers by method and path, in the order of the requests.

    Attributes:
        requests: how many answers there are.
        played: whether it has been played.
    """

    def __init__(self) -> None:
        self._answers: defaultdict[Key, list[Answer]] = defaultdict(list)
        self.requests = 0
        self.played = False

    def put(self, method: str, path: str, answer: Answer) -> None:
        """Add an answer without a request."""
        self._answers[method, path].append(answer)
        self.requests += 1

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Every request goes to the server, and its answer is recorded."""

        def ask(node: Any, method: str, target: str, *rest: Any, **more: Any) -> NodeApiResponse:
            response = _ASK(node, method, target, *rest, **more)
            headers = {name.lower(): value for name, value in response.meta.headers.items()}
            self._answers[_key(method, target)].append(Answer(response.meta.status, headers, response.body))
            self.requests += 1
            return response

        with self._instead(ask):
            yield

    @contextmanager
    def playing(self, wrong: int, dice: random.Random, *, for_ever: bool = False) -> Iterator[None]:
        """Requests are answered from the tape.

        Args:
            wrong: the number of the answer that gets a fault.
            dice: chooses the fault.
            for_ever: all later answers get one too.
        """
        self.played = True
        asked: defaultdict[Key, int] = defaultdict(int)
        requests = 0

        def ask(node: Any, method: str, target: str, *_: Any, **__: Any) -> NodeApiResponse:
            nonlocal requests
            key = _key(method, target)
            answers = self._answers[key] or [Answer(404, {"content-type": "text/plain"}, b"nobody asked for this")]
            answer = answers[min(asked[key], len(answers) - 1)]
            if requests == wrong or (for_ever and requests > wrong):
                answer = bent(answer, dice)
            asked[key] += 1
            requests += 1
            if requests > 2000:
                pytest.fail("it asks for ever")
            meta = ApiResponseMeta(answer.status, "1.1", HttpHeaders(answer.headers), 0.0, node.config)
            return NodeApiResponse(meta, answer.body)

        with self._instead(ask):
            yield

    @contextmanager
    def _instead(self, ask: Any) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Urllib3HttpNode, "perform_request", ask)
            yield


def _key(method: str, target: str) -> Key:
    return method, target.partition("?")[0]
