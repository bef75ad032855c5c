"""Numbers of language models for Prometheus: who was asked, what came of it, how long it took."""

from __future__ import annotations

from functools import cache
from typing import Any

from fraktal_kernel.core.monitoring.metrics import own_registry

SECONDS = (0.05, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600)


class _Numbers:
    def __init__(self) -> None:
        from prometheus_client import Counter, Gauge, Histogram

        own = own_registry()
        self.requests = Counter(
            "fraktal_model_requests",
            "Questions to language models.",
            ["model", "outcome"],
            registry=own,
        )
        self.seconds = Histogram(
            "fraktal_model_request_duration_seconds",
            "Time from a question to the end of its answer, or to giving up.",
            ["model", "outcome"],
            buckets=SECONDS,
            registry=own,
        )
        self.tokens = Counter(
            "fraktal_model_tokens",
            "Tokens that went to language models and came from them.",
            ["model", "direction"],
            registry=own,
        )
        self.cached = Counter(
            "fraktal_model_cache_hits",
            "Questions whose answer had been kept.",
            ["model"],
            registry=own,
        )
        self.resting = Gauge(
            "fraktal_model_breaker_open",
            "Whether a language model rests after failures: 1 or 0.",
            ["model"],
            registry=own,
        )


@cache
def _numbers() -> Any:
    return _Numbers()


def observe_attempt(model: str, failed: bool, seconds: float, resting: bool) -> None:
    """Count one question to one model, and say whether the model rests from now on."""
    labels = model, "failed" if failed else "answered"
    _numbers().requests.labels(*labels).inc()
    _numbers().seconds.labels(*labels).observe(max(0.0, seconds))
    _numbers().resting.labels(model).set(resting)


def observe_tokens(model: str, tokens_in: int, tokens_out: int) -> None:
    """Count the tokens of one answer."""
    _numbers().tokens.labels(model, "in").inc(max(0, tokens_in))
    _numbers().tokens.labels(model, "out").inc(max(0, tokens_out))


def observe_hit(model: str) -> None:
    """Count an answer that had been kept."""
    _numbers().cached.labels(model).inc()
