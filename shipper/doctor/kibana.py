"""Findings about Kibana, where ``kibana.url`` is configured."""

from __future__ import annotations

from collections.abc import Iterator

from shipper.config import Config, ConfigError
from shipper.doctor.finding import Finding, note, ok, warning
from shipper.kibana.client import KibanaClient
from shipper.kibana.responses import KibanaError, refusal

_DO = "correct it before the next `neuroflow-ship setup --kibana`; shipping does not need Kibana"


def check_kibana(config: Config) -> Iterator[Finding]:
    """Whether Kibana answers, takes the key, and has the space; nothing where no Kibana is configured."""
    url = config.kibana.url
    if url is None:
        return
    try:
        # A starting Kibana is not waited for: the clock has passed the wait at once.
        client = KibanaClient(config, say=lambda _: None, clock=_Clock(), sleep=lambda _: None)
    except ConfigError as error:
        yield warning("kibana-unusable", "kibana.url", str(error), _DO)
        return
    place = client.place
    try:
        answer = client.ask("GET", "/api/data_views")
        if answer.status == 403 and answer.from_kibana:
            yield note(
                "kibana-key",
                place,
                f"{place} answers, and the key may not read its data views: `setup --kibana` needs another key",
                "see docs/permissions.md (Kibana)",
            )
        elif not answer.ok or not answer.from_kibana:
            yield warning("kibana", place, refusal(answer, place, needs="to read data views"), _DO)
            return
        client.check_space()
    except KibanaError as error:
        yield warning("kibana", place, str(error), _DO)
    else:
        yield ok("kibana", place, f"Kibana: {place} answers, space {client.space}")
    finally:
        client.close()


class _Clock:
    """Seconds that pass a minute at each look, so that nothing is waited for."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 120.0
        return self._now
