"""What is going on in the cluster: replicas, restarts, autoscalers, processor time. Reads only.

pods, deployments ──▶ Replica, problems      horizontal pod autoscalers ──▶ Autoscaler
pod metrics       ──▶ cores a pod uses       events                     ──▶ why something hangs
"""

from collections.abc import Iterable
from dataclasses import dataclass

from labdriver.stack.kube.api import Api, ApiFault, Object
from labdriver.stack.kube.cluster import NAMESPACE
from labdriver.stack.manifests import cores
from labdriver.stack.runtime import Replica

ROLE = "app.kubernetes.io/component"
NO_IMAGE = ("ErrImageNeverPull", "InvalidImageName", "ImagePullBackOff")  # the last one: it was tried before
HOPELESS = (*NO_IMAGE, "CreateContainerConfigError", "CreateContainerError")
TOLD_CHARS = 160  # of a reason; what Kubernetes says beyond that repeats itself
HOPELESS_RESTARTS = 2


@dataclass(frozen=True)
class Autoscaler:
    """A horizontal pod autoscaler as it sees itself."""

    name: str
    role: str  # the Deployment that it scales
    low: int
    high: int
    replicas: int
    wanted: int
    conditions: tuple[str, ...]  # those that are not as they should be, as "ScalingActive=False: reason: message"


@dataclass(frozen=True)
class Observation:
    """One look at the cluster."""

    replicas: tuple[Replica, ...]
    autoscalers: tuple[Autoscaler, ...]
    cpu_cores: dict[str, float] | None  # pod → cores in use, None when the metrics API has nothing to say
    cpu_request_cores: dict[str, float]  # pod → cores asked for; a pod without a request is missing


def observe(api: Api, urls: dict[str, str]) -> Observation:
    """Everything at once. Raises ApiFault when the API itself does not answer."""
    pods = living(api.list("Pod", namespace=NAMESPACE)["items"])
    scalers = api.list("HorizontalPodAutoscaler", namespace=NAMESPACE)["items"]
    return Observation(
        replicas=tuple(replica(pod, urls) for pod in pods),
        autoscalers=tuple(_autoscaler(one) for one in scalers),
        cpu_cores=_cpu(api),
        cpu_request_cores={pod["metadata"]["name"]: asked for pod in pods if (asked := _request(pod))},
    )


def living(pods: Iterable[Object]) -> list[Object]:
    """Pods of the stack that are not on their way out, and not over: an evicted one stays as a record of itself."""
    kept = [p for p in pods if not p["metadata"].get("deletionTimestamp") and role_of(p) and not is_over(p)]
    return sorted(kept, key=lambda pod: str(pod["metadata"]["name"]))


def is_over(pod: Object) -> bool:
    return pod.get("status", {}).get("phase") in ("Failed", "Succeeded")


def role_of(pod: Object) -> str:
    return str(pod["metadata"].get("labels", {}).get(ROLE, ""))


def replica(pod: Object, urls: dict[str, str]) -> Replica:
    """A pod in the runtime's words. Its address is the role's shared one: pods have none outside the cluster."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod.get("status", {}).get("conditions", []))
    return Replica(
        role=role_of(pod),
        name=str(pod["metadata"]["name"]),
        url=urls.get(role_of(pod), ""),
        pid=None,
        ready=ready,
        restarts=sum(int(one.get("restartCount", 0)) for one in statuses),
        why="" if ready else _why(pod),
    )


def problems(deployments: Iterable[Object], pods: Iterable[Object], wanted: Iterable[str]) -> list[str]:
    """What keeps the stack from being ready, one line each; empty when every rollout is complete."""
    by_name = {str(one["metadata"]["name"]): one for one in deployments}
    found = [f"{name}: no deployment" for name in wanted if name not in by_name]
    all_pods = list(pods)
    for name, deployment in sorted(by_name.items()):
        if not complete(deployment):
            mine = [pod for pod in living(all_pods) if role_of(pod) == name]
            reasons = [f"{pod['metadata']['name']}: {_why(pod)}" for pod in mine if not replica(pod, {}).ready]
            found += reasons or [f"{name}: {_refused(deployment) or _counts(deployment)}"]
    return found


def complete(deployment: Object) -> bool:
    """True when the newest version of a Deployment, and nothing else, is in service."""
    spec, status = deployment["spec"], deployment.get("status", {})
    wanted = spec.get("replicas", 1)
    return bool(
        status.get("observedGeneration", 0) >= deployment["metadata"].get("generation", 0)
        and status.get("updatedReplicas", 0) >= wanted
        and status.get("replicas", 0) == status.get("updatedReplicas", 0)
        and status.get("availableReplicas", 0) >= wanted
    )


def hopeless(deployments: Iterable[Object], pods: Iterable[Object]) -> list[str]:
    """Pods that will not come up by themselves, with why. Those that are about to be replaced do not count."""
    templates = {str(one["metadata"]["name"]): one["spec"]["template"] for one in deployments}
    found = []
    for pod in living(pods):
        if not _is_newest(pod, templates.get(role_of(pod))):
            continue
        for status in pod.get("status", {}).get("containerStatuses", []):
            reason = status.get("state", {}).get("waiting", {}).get("reason", "")
            if reason in HOPELESS or (
                reason == "CrashLoopBackOff" and status.get("restartCount", 0) >= HOPELESS_RESTARTS
            ):
                found.append(f"{pod['metadata']['name']}: {_why(pod)}")
    return found


def _is_newest(pod: Object, template: Object | None) -> bool:
    """True when a pod was made of this very template. A cluster that changes pods on their way in says False."""
    if template is None or pod["spec"]["containers"] != template["spec"]["containers"]:
        return False
    asked = template["metadata"].get("annotations", {})
    return bool(asked.items() <= pod["metadata"].get("annotations", {}).items())


def grouped(lines: Iterable[str]) -> str:
    """ "pod: reason" lines as one: pods, or images, with the same reason are named together."""
    pods: dict[str, list[str]] = {}
    for line in lines:
        pod, _, reason = line.partition(": ")
        pods.setdefault(reason, []).append(pod)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in pods.items())


def warnings(api: Api, seen: set[str]) -> list[str]:
    """Warning events that were not told yet, as "pod: reason: message". What was told goes into `seen`."""
    try:
        events = api.list("Event", namespace=NAMESPACE, fieldSelector="type=Warning")["items"]
    except ApiFault:
        return []
    told = []
    for event in events:
        about = event.get("involvedObject", {}).get("name", "?")
        line = f"{about}: {event.get('reason', '?')}: {' '.join(str(event.get('message', '')).split())}"[:300]
        if line not in seen:
            seen.add(line)
            told.append(line)
    return told


def _why(pod: Object) -> str:
    """Why a pod is not ready, in a few words."""
    status = pod.get("status", {})
    for one in status.get("containerStatuses", []):
        waiting, ended = one.get("state", {}).get("waiting"), one.get("lastState", {}).get("terminated")
        if waiting:
            last = f", ended last with {ended.get('reason', ended.get('exitCode'))}" if ended else ""
            return f"{waiting.get('reason', 'waiting')}: {waiting.get('message', '')}".rstrip(": ")[:TOLD_CHARS] + last
        if "running" in one.get("state", {}):
            return "runs, but its readiness probe fails"
        if one.get("state", {}).get("terminated"):
            return f"ended with code {one['state']['terminated'].get('exitCode')}"
    for condition in status.get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return f"not scheduled: {condition.get('message', '')}"
    return str(status.get("phase", "not known")).lower()


def _refused(deployment: Object) -> str:
    """Why a Deployment may not make its pods, "" when it may."""
    for one in deployment.get("status", {}).get("conditions", []):
        if one["type"] == "ReplicaFailure" and one["status"] == "True":
            return f"{one.get('reason', '')}: {one.get('message', '')}"[:TOLD_CHARS]
    return ""


def _counts(deployment: Object) -> str:
    status, wanted = deployment.get("status", {}), deployment["spec"].get("replicas", 1)
    return f"{status.get('availableReplicas', 0)} of {wanted} replicas available"


def _autoscaler(one: Object) -> Autoscaler:
    spec, status = one["spec"], one.get("status", {})
    wrong = [
        f"{c['type']}={c['status']}: {c.get('reason', '')}: {c.get('message', '')}"
        for c in status.get("conditions", [])
        if c["status"] != ("False" if c["type"] == "ScalingLimited" else "True")
    ]
    return Autoscaler(
        name=one["metadata"]["name"],
        role=spec["scaleTargetRef"]["name"],
        low=spec.get("minReplicas", 1),
        high=spec["maxReplicas"],
        replicas=status.get("currentReplicas", 0),
        wanted=status.get("desiredReplicas", 0),
        conditions=tuple(wrong),
    )


def _cpu(api: Api) -> dict[str, float] | None:
    try:
        items = api.list("PodMetrics", namespace=NAMESPACE)["items"]
    except ApiFault as fault:
        if fault.status == 0:
            raise
        return None  # not installed, or no figures yet
    used = {one["metadata"]["name"]: sum(_cores(c["usage"]["cpu"]) for c in one["containers"]) for one in items}
    return used or None


def _cores(quantity: str) -> float:
    """Cores of a metrics answer, which counts in n (1e-9), u (1e-6) or m (1e-3)."""
    for unit, factor in (("n", 1e-9), ("u", 1e-6)):
        if quantity.endswith(unit):
            return float(quantity[:-1]) * factor
    return cores(quantity)


def _request(pod: Object) -> float | None:
    asked = [c.get("resources", {}).get("requests", {}).get("cpu") for c in pod["spec"].get("containers", [])]
    return None if not asked or None in asked else sum(cores(quantity) for quantity in asked)
