"""What an edit.yaml may say, kind by kind: the fields of the Kubernetes API that a lab is about, and no others.

A Deployment here is not a whole one: it is laid over that of `k8s/base/`. Messages are written for whoever edits the
file. Reads nothing itself; `edits.py` does.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from labdriver.lab import Model
from labdriver.stack.manifests import cores, memory_bytes

NAMESPACE = "breakwater"


def _cores(value: Any) -> float:
    try:
        found = cores(value)
    except (TypeError, ValueError):
        found = -1.0
    if isinstance(value, bool) or not 0 < found < 1000:
        raise ValueError("not an amount of processor, such as 200m or 0.5")
    return found


def _memory(value: Any) -> int:
    try:
        found = memory_bytes(value)
    except (TypeError, ValueError):
        found = -1
    if isinstance(value, bool) or found <= 0:
        raise ValueError("not an amount of memory, such as 128Mi")
    return found


def _namespace(value: str) -> str:
    if value != NAMESPACE:
        raise ValueError(f"another namespace, expected {NAMESPACE}")
    return value


Cores = Annotated[float, BeforeValidator(_cores)]
Bytes = Annotated[int, BeforeValidator(_memory)]


class Kube(Model):
    """Fields are called as in a manifest: minReplicas, averageUtilization."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel)


class Metadata(Kube):
    name: str
    namespace: Annotated[str, AfterValidator(_namespace)] = NAMESPACE
    labels: dict[str, str] = {}


class Amounts(Kube):
    cpu: Cores | None = None
    memory: Bytes | None = None


class Resources(Kube):
    requests: Amounts = Amounts()
    limits: Amounts = Amounts()

    @model_validator(mode="after")
    def _request_fits(self) -> "Resources":
        for what in ("cpu", "memory"):
            asked, most = getattr(self.requests, what), getattr(self.limits, what)
            if asked is not None and most is not None and asked > most:
                raise ValueError(f"the {what} request is more than the {what} limit")
        return self


class Container(Kube):
    name: str
    resources: Resources = Resources()


class PodSpec(Kube):
    containers: tuple[Container, ...]

    @model_validator(mode="after")
    def _has_one(self) -> "PodSpec":
        if len(self.containers) != 1:
            raise ValueError(f"{len(self.containers)} containers, expected the one that there is")
        return self


class Template(Kube):
    spec: PodSpec


class DeploymentSpec(Kube):
    replicas: int = Field(default=1, ge=0)
    template: Template | None = None


class Deployment(Kube):
    api_version: Literal["apps/v1"]
    kind: Literal["Deployment"]
    metadata: Metadata
    spec: DeploymentSpec = DeploymentSpec()


class ScaleTargetRef(Kube):
    api_version: str = "apps/v1"
    kind: str
    name: str


class MetricTarget(Kube):
    type: Literal["Utilization", "AverageValue", "Value"]
    average_utilization: Annotated[int, Field(gt=0)] | None = None
    average_value: Cores | None = None
    value: Any = None

    @model_validator(mode="after")
    def _has_its_value(self) -> "MetricTarget":
        wanted = {"Utilization": "averageUtilization", "AverageValue": "averageValue", "Value": "value"}[self.type]
        given = self.model_dump(by_alias=True)
        if given[wanted] is None:
            raise ValueError(f"a target of type {self.type} needs {wanted}")
        return self


class ResourceMetric(Kube):
    name: str
    container: str = ""  # ContainerResource only
    target: MetricTarget

    @model_validator(mode="after")
    def _is_an_average(self) -> "ResourceMetric":
        if self.target.type == "Value":
            raise ValueError("a resource has a target of type Utilization or AverageValue")
        return self


class MetricSpec(Kube):
    type: Literal["Resource", "ContainerResource", "Pods", "Object", "External"]
    resource: ResourceMetric | None = None
    container_resource: ResourceMetric | None = None
    pods: dict[str, Any] | None = None
    object: dict[str, Any] | None = None
    external: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _has_its_part(self) -> "MetricSpec":
        part = self.type[0].lower() + self.type[1:]
        if self.model_dump(by_alias=True)[part] is None:
            raise ValueError(f"a metric of type {self.type} needs {part}")
        return self


class ScalingPolicy(Kube):
    type: Literal["Pods", "Percent"]
    value: int = Field(gt=0)
    period_seconds: int = Field(ge=1, le=1800)


class ScalingRules(Kube):
    stabilization_window_seconds: int | None = Field(default=None, ge=0, le=3600)
    select_policy: Literal["Max", "Min", "Disabled"] = "Max"
    policies: tuple[ScalingPolicy, ...] = ()


class Behavior(Kube):
    scale_up: ScalingRules = ScalingRules()
    scale_down: ScalingRules = ScalingRules()


class HpaSpec(Kube):
    scale_target_ref: ScaleTargetRef
    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(ge=1)
    metrics: tuple[MetricSpec, ...] = ()
    behavior: Behavior = Behavior()

    @model_validator(mode="after")
    def _bounds_fit(self) -> "HpaSpec":
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"maxReplicas {self.max_replicas} is less than minReplicas {self.min_replicas}")
        return self


class HorizontalPodAutoscaler(Kube):
    api_version: Literal["autoscaling/v2"]
    kind: Literal["HorizontalPodAutoscaler"]
    metadata: Metadata
    spec: HpaSpec


KINDS: dict[str, type[Deployment] | type[HorizontalPodAutoscaler]] = {
    "Deployment": Deployment,
    "HorizontalPodAutoscaler": HorizontalPodAutoscaler,
}
