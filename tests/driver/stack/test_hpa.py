"""The autoscaler's arithmetic, beside the numbers that Kubernetes documents."""

from dataclasses import replace

import pytest

from labdriver.stack.hpa import Controller, Direction, Hpa, Metric, Policy, Reading, Target

HALF = Hpa("estimator", 1, 10, (Metric("Resource", "cpu", utilization_ratio=0.5),))
DOWN_S = 15.0


def using(*cores: float | None, request: float | None = 0.2, unready: int = 0, replicas: int | None = None) -> Target:
    """Ready replicas that use so many cores each (None: no figure), and some that are not ready."""
    readings = [Reading(f"estimator-{n}", True, used) for n, used in enumerate(cores, 1)]
    readings += [Reading(f"estimator-{len(cores) + n}", False, None) for n in range(1, unready + 1)]
    return Target(replicas or len(readings), "estimator", request, tuple(readings))


def decided(target: Target, hpa: Hpa = HALF) -> int:
    return Controller(hpa, DOWN_S).decide(0.0, target).replicas


@pytest.mark.parametrize(
    ("target", "replicas"),
    [
        (using(0.1), 1),  # at its target
        (using(0.109), 1),  # 9 % above: within the tolerance
        (using(0.112), 2),  # 12 % above: ceil(1 × 1.12)
        (using(0.25), 3),  # ceil(1 × 2.5)
        (using(0.2, 0.2), 4),  # 2 × 2
        (using(0.04, 0.04, 0.04, 0.04), 2),  # ceil(4 × 0.4)
        (using(0.0, 0.0), 1),  # never below the least
        (using(0.9, 0.9), 4 + 2),  # by the rate: at most four more within 15 s
        (using(0.25, unready=1), 3),  # who is not ready counts as idle: ceil(2 × 1.25)
        (using(0.15, unready=1), 2),  # which turns growth into none: 0.75 of the target
        (using(0.25, None), 3),  # no figure, growing: idle
        (using(0.02, None), 2),  # no figure, shrinking: all of its request, 1.1 of the target
        (using(0.04, 0.04, None), 3),  # the same: ceil(3 × 0.93)
    ],
)
def test_replicas_of_a_utilisation(target: Target, replicas: int) -> None:
    """desired = ceil(replicas × use / target), with the documented exceptions."""
    assert decided(target) == replicas


def test_replicas_of_an_average_value() -> None:
    """Cores themselves, no request is needed."""
    hpa = replace(HALF, metrics=(Metric("Resource", "cpu", average_cores=0.1),))
    assert decided(using(0.25, request=None), hpa) == 3


def test_the_highest_of_several_metrics_wins() -> None:
    """And one that fails forbids to shrink, not to grow."""
    low, high = Metric("Resource", "cpu", average_cores=0.5), Metric("Resource", "cpu", average_cores=0.1)
    lost = Metric("External", "queue")
    assert decided(using(0.25), replace(HALF, metrics=(low, high))) == 3
    assert decided(using(0.25), replace(HALF, metrics=(high, lost))) == 3
    assert decided(using(0.02, 0.02), replace(HALF, metrics=(high, lost))) == 2


@pytest.mark.parametrize(
    ("hpa", "target", "told"),
    [
        (
            HALF,
            using(0.25, request=None),
            "ScalingActive False FailedGetResourceMetric: the HPA was unable to compute the replica count: failed to "
            "get cpu utilization: missing request for cpu in container estimator of Pod estimator-1",
        ),
        (HALF, using(None), "no metrics returned from resource metrics API"),
        (HALF, using(unready=1), "no metrics returned from resource metrics API"),
        (
            replace(HALF, metrics=(Metric("Pods", "requests_per_second"),)),
            using(0.25),
            "ScalingActive False FailedGetPodsMetric: the HPA was unable to compute the replica count: unable to get "
            "metric requests_per_second: unable to fetch metrics from custom metrics API",
        ),
        (replace(HALF, metrics=(Metric("External", "queue"),)), using(0.25), "FailedGetExternalMetric"),
        (replace(HALF, metrics=(Metric("Resource", "memory", utilization_ratio=0.5),)), using(0.25), "memory"),
        (HALF, replace(using(0.25), replicas=0), "ScalingActive False ScalingDisabled"),
    ],
)
def test_a_metric_that_cannot_be_read_changes_nothing_and_is_told(hpa: Hpa, target: Target, told: str) -> None:
    """In the words of a real autoscaler."""
    decision = Controller(hpa, DOWN_S).decide(0.0, target)
    assert decision.replicas == target.replicas
    assert told in str(decision.conditions[0])
    assert not decision.conditions[0].is_well


def test_bounds_hold_without_any_metric() -> None:
    """The least is enforced although nobody knows the use."""
    assert decided(using(None), replace(HALF, min_replicas=3)) == 3
    assert decided(using(None, None, None), replace(HALF, max_replicas=2)) == 2


def test_the_most_is_told() -> None:
    """A limited autoscaler says so."""
    decision = Controller(replace(HALF, max_replicas=2), DOWN_S).decide(0.0, using(0.25))
    assert decision.replicas == 2
    assert [str(c) for c in decision.conditions if not c.is_well] == [
        "ScalingLimited True TooManyReplicas: the desired replica count 3 is more than the maximum allows (2)"
    ]


def test_shrinking_waits_for_its_window() -> None:
    """The highest recommendation of the window holds."""
    controller = Controller(HALF, DOWN_S)
    assert controller.decide(0, using(0.1, 0.1, 0.1, 0.1)).replicas == 4
    assert controller.decide(10, using(0.02, 0.02, 0.02, 0.02)).replicas == 4
    assert controller.decide(14, using(0.05, 0.05, 0.05, 0.05)).replicas == 4
    assert controller.decide(24, using(0.02, 0.02, 0.02, 0.02)).replicas == 2
    assert controller.decide(29.5, using(0.02, 0.02)).replicas == 1


def test_growing_waits_for_its_window_too() -> None:
    """The lowest recommendation of the window holds."""
    controller = Controller(replace(HALF, up=replace(HALF.up, window_s=10)), DOWN_S)
    assert controller.decide(0, using(0.1)).replicas == 1
    assert controller.decide(5, using(0.25)).replicas == 1
    assert controller.decide(10.5, using(0.25)).replicas == 3


@pytest.mark.parametrize(
    ("up", "replicas"),
    [
        (Direction(0, (Policy("Pods", 1, 15),)), 3),
        (Direction(0, (Policy("Percent", 100, 15),)), 4),
        (Direction(0, (Policy("Percent", 100, 15), Policy("Pods", 1, 15)), "Min"), 3),
        (Direction(0, (Policy("Pods", 6, 15),), "Disabled"), 2),
    ],
)
def test_policies_bound_the_rate(up: Direction, replicas: int) -> None:
    """Counted from where the period began, however often it is asked."""
    controller = Controller(replace(HALF, up=up), DOWN_S)
    first = controller.decide(0, using(0.9, 0.9)).replicas
    assert first == replicas
    again = using(*[0.9] * first)
    assert controller.decide(5, again).replicas == replicas
    grown = controller.decide(16, again).replicas
    assert grown > replicas or up.select == "Disabled"
