"""Counters of the server, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one server, in their own registry."""

    def __init__(self):
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "serve_requests",
            "Requests answered.",
            ("model", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "serve_request_seconds",
            "Seconds from the request to its answer.",
            ("model", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.rows = Histogram(
            "serve_batch_rows",
            "Rows computed together.",
            ("model",),
            buckets=ROWS,
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "serve_requests_in_flight", "Requests in progress.", registry=self.registry
        )

    def batch(self, model: str, rows: int) -> None:
        """Count a batch of a model."""
        self.rows.labels(model).observe(rows)
