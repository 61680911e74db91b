"""Figures of a running API, as Prometheus reads them."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_BATCHES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """Counters and histograms of one API, in a registry of its own."""

    content_type = CONTENT_TYPE_PLAIN_0_0_4

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter("crossmodal_requests", "Requests answered.", ("method", "route", "status"), registry=self._registry)
        self.seconds = Histogram(
            "crossmodal_request_seconds", "Time to the answer.", ("route",), buckets=_SECONDS, registry=self._registry
        )
        self.under_way = Gauge("crossmodal_requests_under_way", "Requests at this moment.", registry=self._registry)
        self.batch_sizes = Histogram(
            "crossmodal_text_batch_size", "Text queries answered together.", buckets=_BATCHES, registry=self._registry
        )
        self.items = Gauge("crossmodal_items", "Items a search can find.", registry=self._registry)

    def note(self, method: str, route: str, status: int, seconds: float) -> None:
        """One request answered. `route` is the route's pattern, so that there are never more than a few."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it, in the text format."""
        return generate_latest(self._registry)
