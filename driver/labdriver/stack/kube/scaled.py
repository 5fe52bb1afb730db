"""Roles that labs scale, as the cluster has them: what the real autoscaler wants and why, and back to the start.

    deployments, pods, autoscalers, pod metrics ──▶ targets() ──▶ ScaledTarget
    restart(): the autoscaler goes, the replicas go back, a new autoscaler that remembers nothing comes

Knows the cluster's objects; waiting is the caller's.
"""

from collections.abc import Iterable

from labdriver.stack.kube.api import Api, Object
from labdriver.stack.kube.cluster import NAMESPACE
from labdriver.stack.kube.observe import Observation
from labdriver.stack.manifests import Role
from labdriver.stack.runtime import ScaledTarget

DEPLOYMENT, AUTOSCALER = "Deployment", "HorizontalPodAutoscaler"


def targets(api: Api, roles: Iterable[Role], seen: Observation) -> tuple[ScaledTarget, ...]:
    """One for each role. Raises ApiFault when the API does not answer."""
    return tuple(_target(api, role, seen) for role in roles)


def _target(api: Api, role: Role, seen: Observation) -> ScaledTarget:
    deployment = api.get(DEPLOYMENT, role.name, namespace=NAMESPACE) or {}
    ready = [replica.name for replica in seen.replicas if replica.role == role.name and replica.ready]
    used = None if seen.cpu_cores is None else [seen.cpu_cores[name] for name in ready if name in seen.cpu_cores]
    scaler = next((one for one in seen.autoscalers if one.role == role.name), None)
    return ScaledTarget(
        role=role.name,
        wanted=int(deployment.get("spec", {}).get("replicas", 1)),
        ready=len(ready),
        min_replicas=scaler.low if scaler else None,
        max_replicas=scaler.high if scaler else None,
        request_cores=role.cpu_request_cores,
        limit_cores=role.cpu_limit_cores,
        used_cores=tuple(used or ()) if used or not ready else None,
        conditions=scaler.conditions if scaler else (),
    )


def restart(api: Api, role: Role) -> None:
    """Put a role back to the replicas it starts with. A new autoscaler has no recommendations to hold on to."""
    scalers = api.list(AUTOSCALER, namespace=NAMESPACE)["items"]
    ours = [one for one in scalers if one["spec"]["scaleTargetRef"]["name"] == role.name]
    for one in ours:
        api.delete(AUTOSCALER, one["metadata"]["name"], namespace=NAMESPACE)
    api.patch(DEPLOYMENT, role.name, {"spec": {"replicas": role.replicas}}, namespace=NAMESPACE)
    for one in ours:
        api.apply(_bare(one))


def _bare(one: Object) -> Object:
    """An autoscaler as it was applied, without what the server added."""
    meta = {key: one["metadata"][key] for key in ("name", "namespace", "labels") if key in one["metadata"]}
    return {"apiVersion": "autoscaling/v2", "kind": AUTOSCALER, "metadata": meta, "spec": one["spec"]}
