"""The figures of one process in Prometheus text. One `Metrics` a process, passed down, never a module's state.

Names are a contract with the driver's probes; see services/README.md.
"""

import time
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Summary, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

ROUTE = "labsvc.route"  # scope key: an app writes its route's template here, so that metrics never hold raw paths


class CpuTime(Collector):
    """Processor seconds of this process, read when asked."""

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily("labsvc_cpu_seconds", "processor seconds used", value=time.process_time())


class Metrics:
    """Counters and gauges of a process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(CpuTime())
        self.in_flight = Gauge("labsvc_requests_in_flight", "requests being served", registry=self.registry)
        self.requests = Counter(
            "labsvc_requests", "requests answered", ("route", "method", "status"), registry=self.registry
        )
        # The live business's requests, apart: the two above are the load's alone.
        self.background_in_flight = Gauge(
            "labsvc_background_requests_in_flight", "requests of the live business", registry=self.registry
        )
        self.background_requests = Counter(
            "labsvc_background_requests",
            "requests of the live business answered",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.background_seconds = Summary(
            "labsvc_background_request_seconds", "how long they took, together", registry=self.registry
        )
        self.dependency_in_flight = Gauge(
            "labsvc_dependency_calls_in_flight",
            "the load's calls to a dependency from their start, waiting for a connection included, to their answer",
            ("operation",),
            registry=self.registry,
        )

    def read_on_demand(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Add a gauge whose value is asked for at every scrape."""
        Gauge(name, help_text, registry=self.registry).set_function(read)

    def text(self) -> bytes:
        """All figures in the Prometheus text format."""
        return generate_latest(self.registry)
