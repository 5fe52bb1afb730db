"""The arithmetic of a HorizontalPodAutoscaler (autoscaling/v2) as Kubernetes documents it, without a cluster.

    Hpa (edits.py) + what each replica uses ──▶ Controller.decide() ──▶ Decision: how many, and the conditions

desired = ceil(replicas × metric / target), left alone within a tenth of the target; replicas without figures count
for the side of caution; then stabilisation windows, scaling policies and bounds. Pure but for what it remembers:
knows no process, no clock and no file. Source: kubernetes.io, "Horizontal Pod Autoscaling", algorithm details.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

TOLERANCE_RATIO = 0.1
LONGEST_PERIOD_S = 1800  # of a policy, by the API
Kind = Literal["Resource", "ContainerResource", "Pods", "Object", "External"]


@dataclass(frozen=True)
class Metric:
    """One metric and what it should be on average over the replicas."""

    kind: Kind
    name: str  # cpu, memory, or whatever it is called
    utilization_ratio: float | None = None  # of the request
    average_cores: float | None = None


@dataclass(frozen=True)
class Policy:
    """At most so much change within a period."""

    kind: Literal["Pods", "Percent"]
    value: int
    period_s: int


@dataclass(frozen=True)
class Direction:
    """How fast one way. `window_s` None: the controller's own default."""

    window_s: int | None
    policies: tuple[Policy, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"


UP = Direction(0, (Policy("Percent", 100, 15), Policy("Pods", 4, 15)))
DOWN = Direction(None, (Policy("Percent", 100, 15),))


@dataclass(frozen=True)
class Hpa:
    """What an autoscaler's manifest says."""

    name: str
    min_replicas: int
    max_replicas: int
    metrics: tuple[Metric, ...]
    up: Direction = UP
    down: Direction = DOWN

    def bounded(self, replicas: int) -> int:
        return min(self.max_replicas, max(self.min_replicas, replicas))


@dataclass(frozen=True)
class Reading:
    """One replica as the metrics tell it."""

    name: str
    ready: bool
    used_cores: float | None  # None: no figure yet


@dataclass(frozen=True)
class Target:
    """What is scaled, at this moment."""

    replicas: int
    container: str
    request_cores: float | None
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Condition:
    """As in an HPA's status."""

    type: Literal["AbleToScale", "ScalingActive", "ScalingLimited"]
    status: bool
    reason: str
    message: str

    @property
    def is_well(self) -> bool:
        return self.status != (self.type == "ScalingLimited")

    def __str__(self) -> str:
        return f"{self.type} {self.status} {self.reason}: {self.message}"


@dataclass(frozen=True)
class Decision:
    replicas: int
    conditions: tuple[Condition, ...]


class NoMetric(Exception):
    """A metric that cannot be computed. Its text and reason are those of a real HPA."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass
class Controller:
    """One autoscaler at work. `down_window_s` holds where the manifest names no stabilisation for scaling down."""

    hpa: Hpa
    down_window_s: float
    _recommended: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)  # when, by how many

    def decide(self, now_s: float, target: Target) -> Decision:
        """How many replicas there should be now. Call it once a sync period."""
        current = target.replicas
        if current == 0:
            off = "scaling is disabled since the replica count of the target is zero"
            return Decision(0, (Condition("ScalingActive", False, "ScalingDisabled", off),))
        if current != self.hpa.bounded(current):
            return self._decided(now_s, current, self.hpa.bounded(current), ())
        try:
            desired, told = _desired(self.hpa.metrics, target)
        except NoMetric as error:
            message = f"the HPA was unable to compute the replica count: {error}"
            return Decision(current, (Condition("ScalingActive", False, error.reason, message),))
        active = Condition("ScalingActive", True, "ValidMetricFound", f"a replica count was calculated from {told}")
        stable = self._stabilised(now_s, current, desired)
        allowed, limited = self._limited(now_s, current, stable)
        return self._decided(now_s, current, allowed, (active, limited))

    def _decided(self, now_s: float, current: int, replicas: int, conditions: tuple[Condition, ...]) -> Decision:
        if replicas != current:
            kept = [change for change in self._changes if change[0] > now_s - LONGEST_PERIOD_S]
            self._changes = [*kept, (now_s, replicas - current)]
        return Decision(replicas, conditions)

    def _stabilised(self, now_s: float, current: int, desired: int) -> int:
        """Up no further than the lowest recommendation of its window, down no further than the highest of its own."""
        self._recommended.append((now_s, desired))
        up_s = self.hpa.up.window_s or 0
        down_s = self.down_window_s if self.hpa.down.window_s is None else self.hpa.down.window_s
        self._recommended = [entry for entry in self._recommended if entry[0] > now_s - max(up_s, down_s, 1)]
        lowest = min([n for at_s, n in self._recommended if at_s > now_s - up_s], default=desired)
        highest = max([n for at_s, n in self._recommended if at_s > now_s - down_s], default=desired)
        return min(max(current, min(lowest, desired)), max(highest, desired))

    def _limited(self, now_s: float, current: int, desired: int) -> tuple[int, Condition]:
        """Keep to the policies and the bounds, and say which of them held."""
        most = min(self.hpa.max_replicas, self._edge(now_s, current, self.hpa.up, sign=1))
        least = max(self.hpa.min_replicas, self._edge(now_s, current, self.hpa.down, sign=-1))
        if desired > most:
            reason, word = ("TooManyReplicas", "maximum") if most == self.hpa.max_replicas else ("ScaleUpLimit", "rate")
            told = f"the desired replica count {desired} is more than the {word} allows ({most})"
            return most, Condition("ScalingLimited", True, reason, told)
        if desired < least:
            reason = "TooFewReplicas" if least == self.hpa.min_replicas else "ScaleDownLimit"
            told = f"the desired replica count {desired} is less than is allowed ({least})"
            return least, Condition("ScalingLimited", True, reason, told)
        within = "the desired count is within the acceptable range"
        return desired, Condition("ScalingLimited", False, "DesiredWithinRange", within)

    def _edge(self, now_s: float, current: int, direction: Direction, *, sign: Literal[1, -1]) -> int:
        """The furthest that the policies of one direction allow."""
        if direction.select == "Disabled":
            return current
        edges = []
        for policy in direction.policies:
            start = current - sum(by for at_s, by in self._changes if at_s > now_s - policy.period_s)
            step = policy.value if policy.kind == "Pods" else start * policy.value / 100
            edges.append(math.ceil(start + step) if sign > 0 else max(0, math.floor(start - step)))
        widest = (direction.select == "Max") == (sign > 0)
        edge = max(edges) if widest else min(edges)
        return max(edge, current) if sign > 0 else min(edge, current)


def _desired(metrics: Sequence[Metric], target: Target) -> tuple[int, str]:
    """The highest count that any metric asks for. One without figures forbids scaling down. Raises NoMetric."""
    found: list[tuple[int, str]] = []
    failed: list[NoMetric] = []
    for metric in metrics:
        try:
            found.append(_of_metric(metric, target))
        except NoMetric as error:
            failed.append(error)
    highest = max(found, default=None)
    if highest is None or (failed and highest[0] < target.replicas):
        raise failed[0]
    return highest


def _of_metric(metric: Metric, target: Target) -> tuple[int, str]:
    """How many replicas one metric asks for, and what it is called. Raises NoMetric."""
    if metric.kind not in ("Resource", "ContainerResource"):
        where = "external" if metric.kind == "External" else "custom"
        raise NoMetric(
            f"FailedGet{metric.kind}Metric",
            f"unable to get metric {metric.name}: unable to fetch metrics from {where} metrics API: no {where} metrics "
            f"API ({where}.metrics.k8s.io) registered",
        )
    reason = f"FailedGet{metric.kind}Metric"
    failed = f"failed to get {metric.name} utilization"
    if metric.name != "cpu":
        raise NoMetric(reason, f"{failed}: no metrics returned: only cpu is measured here")
    if not any(reading.used_cores is not None for reading in target.readings):
        raise NoMetric(
            reason, f"{failed}: unable to get metrics for resource cpu: no metrics returned from resource metrics API"
        )
    if metric.utilization_ratio is None:
        wanted_cores = metric.average_cores or 0.0
        return _count(target, wanted_cores, silent_cores=wanted_cores, reason=reason), "cpu resource"
    if target.request_cores is None:
        pod = target.readings[0].name
        raise NoMetric(reason, f"{failed}: missing request for cpu in container {target.container} of Pod {pod}")
    wanted_cores = metric.utilization_ratio * target.request_cores
    silent_cores = max(1.0, metric.utilization_ratio) * target.request_cores
    told = "cpu resource utilization (percentage of request)"
    return _count(target, wanted_cores, silent_cores=silent_cores, reason=reason), told


def _count(target: Target, wanted_cores: float, *, silent_cores: float, reason: str) -> int:
    """ceil(replicas × use / wanted). `silent_cores`: what a replica without a figure counts when scaling down."""
    ready = [r.used_cores for r in target.readings if r.ready and r.used_cores is not None]
    silent = sum(r.ready and r.used_cores is None for r in target.readings)
    unready = sum(not r.ready for r in target.readings)
    if not ready:
        raise NoMetric(reason, "did not receive metrics for targeted pods (pods might be unready)")
    ratio = sum(ready) / len(ready) / wanted_cores
    if not silent and not (unready and ratio > 1):
        return target.replicas if abs(1 - ratio) <= TOLERANCE_RATIO else math.ceil(ratio * len(ready) - 1e-9)
    count = len(ready) + silent + (unready if ratio > 1 else 0)
    filled = (sum(ready) + (0.0 if ratio > 1 else silent * silent_cores)) / count / wanted_cores
    if abs(1 - filled) <= TOLERANCE_RATIO or (ratio < 1) != (filled < 1):
        return target.replicas
    replicas = math.ceil(filled * count - 1e-9)
    return target.replicas if (filled < 1) == (replicas > target.replicas) else replicas
