from __future__ import annotations

from shipper.health.readiness import ASK_EVERY, Readiness


def test_cluster_is_asked_now_and_then() -> None:
    """Readiness is cached; the sidecar's own errors count immediately."""
    now, asked = 100.0, 0
    silent: str | None = "down"
    trouble: str | None = None

    def ask_cluster() -> str | None:
        nonlocal asked
        asked += 1
        return silent

    ready = Readiness(lambda: trouble, ask_cluster, lambda: now)
    assert ["down", "down"] == [ready(), ready()]
    silent, now = None, now + ASK_EVERY
    assert [None, None] == [ready(), ready()]
    trouble = "refused"
    assert "refused" == ready()
    assert 2 == asked


def test_what_is_known_is_not_asked_for() -> None:
    """The last answer counts while a probe would get it; then only the sidecar's own errors do."""
    now, asked = 100.0, 0
    trouble: str | None = None

    def ask_cluster() -> str | None:
        nonlocal asked
        asked += 1
        return "down"

    ready = Readiness(lambda: trouble, ask_cluster, lambda: now)
    assert (None, 0) == (ready.known(), asked)
    assert "down" == ready()
    assert ("down", 1) == (ready.known(), asked)
    now += ASK_EVERY
    assert (None, 1) == (ready.known(), asked)
    trouble = "refused"
    assert "refused" == ready.known()
