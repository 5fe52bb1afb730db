"""A check of step 4 in seconds: no stack, no cluster, arithmetic on edit.yaml alone. Its failures are hints.

`make check LAB=autoscale` runs it. It reckons as an autoscaler does: how much each replica uses under the load of the
lab, what that is of what it asks for, and how many replicas follow from it.
"""

import math
from pathlib import Path
from typing import Any

import pytest

from labsvc.testing import documents

LAB = Path(__file__).resolve().parent
FULL_CORES = 0.22  # what one replica uses at its fullest: the licensed fifth of a core, and a little around it
REPLICA_RPS = 10  # what it then makes
RUSH_RPS, CALM_RPS = 20, 3  # scenario.yaml
ESTIMATE_CPU_S = 0.022
PATIENCE_S = 1.0
TOLERANCE_RATIO = 0.1


def one(kind: str) -> dict[str, Any]:
    """The document of a kind; empty when there is none."""
    return next((document for document in documents(LAB) if document.get("kind") == kind), {})


def resources() -> dict[str, Any]:
    containers = one("Deployment").get("spec", {}).get("template", {}).get("spec", {}).get("containers", [{}])
    return containers[0].get("resources") or {}


def cores(what: str) -> float | None:
    """The processor that requests or limits name. A limit alone is the request too."""
    amount = (resources().get(what) or {}).get("cpu")
    if amount is None:
        return cores("limits") if what == "requests" else None
    return float(str(amount)[:-1]) / 1000 if str(amount).endswith("m") else float(amount)


def autoscaler() -> dict[str, Any]:
    spec = one("HorizontalPodAutoscaler").get("spec")
    if not spec:
        pytest.skip("nothing scales the estimator yet")
    return spec


def target_cores() -> float:
    """How much each replica should use, by the first metric on processor time."""
    for metric in autoscaler().get("metrics") or [{"resource": {"name": "cpu", "target": {"averageUtilization": 80}}}]:
        resource = metric.get("resource") or metric.get("containerResource") or {}
        target = resource.get("target", {})
        if resource.get("name") == "cpu" and target.get("averageValue") is not None:
            amount = str(target["averageValue"])
            return float(amount[:-1]) / 1000 if amount.endswith("m") else float(amount)
        if resource.get("name") == "cpu" and target.get("averageUtilization") is not None:
            return target["averageUtilization"] / 100 * (cores("requests") or math.nan)
    pytest.skip("no metric on processor time")


def grown_to(rate_rps: float) -> int:
    """Where the autoscaler comes to rest under a steady load."""
    spec, wanted_cores = autoscaler(), target_cores()
    if math.isnan(wanted_cores):
        pytest.skip("utilisation of what? nothing is asked for")
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    replicas = least
    for _ in range(20):
        used_cores = min(FULL_CORES, cores("limits") or FULL_CORES, rate_rps * ESTIMATE_CPU_S / replicas)
        ratio = used_cores / wanted_cores
        if abs(1 - ratio) <= TOLERANCE_RATIO:
            break
        replicas = min(most, max(least, math.ceil(replicas * ratio)))
    return replicas


def test_each_replica_asks_for_processor() -> None:
    """What nobody asked for cannot be used up by so many per cent."""
    assert cores("requests"), (
        "the container asks for no processor: of what should an autoscaler reckon the utilisation? Nor does a node "
        "know how many replicas fit on it"
    )


def test_each_replica_may_use_what_an_estimate_needs() -> None:
    """A limit is there to stop the runaway, not the walk."""
    limit = cores("limits")
    assert limit is None or ESTIMATE_CPU_S / limit < PATIENCE_S / 3, (
        f"one estimate is {ESTIMATE_CPU_S * 1000:.0f} ms of processor time; with a limit of {limit * 1000:.0f}m that "
        f"takes {ESTIMATE_CPU_S / limit:.1f} s even when nobody waits. The report shows what a replica uses when "
        "it is busy"
    )


def test_something_scales_it() -> None:
    """A count that somebody has to change by hand is no scaling."""
    assert one("HorizontalPodAutoscaler"), (
        "nothing scales the estimator: whatever number stands under `replicas`, it is wrong for one of calm and rush"
    )


def test_it_may_scale() -> None:
    """Room between the least and the most."""
    spec = autoscaler()
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 1)
    assert most > least, f"from {least} to {most} replicas: what is there to decide for the autoscaler?"


def test_its_metric_can_be_read() -> None:
    """Without adapters, a cluster measures processor and memory of pods, and nothing else."""
    kinds = [metric.get("type") for metric in autoscaler().get("metrics") or [{"type": "Resource"}]]
    assert {"Resource", "ContainerResource"} & set(kinds), (
        f"a metric of type {kinds[0]}: who would deliver that here? Processor and memory of pods are measured, no more"
    )


def test_it_grows_in_the_rush() -> None:
    """The target must be below what a busy replica uses."""
    if autoscaler().get("minReplicas", 1) >= autoscaler()["maxReplicas"]:
        pytest.skip("it may not scale")
    replicas = grown_to(RUSH_RPS)
    assert replicas * REPLICA_RPS >= RUSH_RPS * 1.2, (
        f"{RUSH_RPS} requests a second bring it to {replicas} of at most {autoscaler()['maxReplicas']} replicas, and "
        f"each makes {REPLICA_RPS} a second. At its fullest a replica uses {FULL_CORES * 1000:.0f}m, the target is "
        f"{target_cores() * 1000:.0f}m"
    )


def test_it_is_small_while_it_is_calm() -> None:
    """Replicas that wait for a rush cost as much as those that work."""
    replicas = grown_to(CALM_RPS)
    assert replicas <= 2, (
        f"at {CALM_RPS} requests a second there are {replicas} replicas, where one is idle most of the time: is it the "
        "least that is high, or the target that is low?"
    )
