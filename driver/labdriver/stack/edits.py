"""Reads the labs' edit.yaml files: what a participant lays over the manifests of `k8s/base/`.

    labs/<lab>/edit.yaml ──▶ read() ──▶ Edit (replicas, request, limit, autoscaler) ──▶ laid_over(stack)

One file changes one role, the one that its scenario.yaml names under `scales`. Whatever else stands in it is refused,
every fault with file and line, before anything is changed. Knows no runtime.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml
from pydantic import ValidationError

from labdriver.errors import Misuse
from labdriver.lab import LOADER, line_of
from labdriver.stack import hpa
from labdriver.stack.hpa import Direction, Hpa, Metric, Policy
from labdriver.stack.kinds import KINDS, Deployment, HorizontalPodAutoscaler, HpaSpec, MetricSpec, ScalingRules
from labdriver.stack.manifests import Stack

DEFAULT_METRIC = Metric("Resource", "cpu", utilization_ratio=0.8)  # of an autoscaler that names none


@dataclass(frozen=True)
class Edit:
    """What one edit.yaml says of its role. None: left as `k8s/base/` has it."""

    lab: str
    role: str
    replicas: int | None
    request_cores: float | None
    limit_cores: float | None
    autoscaler: Hpa | None
    documents: tuple[Mapping[str, Any], ...]  # as they stand in the file, for a cluster


def read(labs: Path) -> tuple[Edit, ...]:
    """Every lab's edit.yaml. Raises Misuse with one `file:line: what` line a fault."""
    return tuple(read_file(path, role) for path, role in _found(labs).items())


def read_file(path: Path, role: str) -> Edit:
    """One edit.yaml, which may scale `role` and change nothing else. Raises Misuse like `read`."""
    shown = Path(*path.parts[-3:])  # labs/<lab>/edit.yaml
    pairs = _documents(path, shown)
    parsed, faults = [], []
    for tree, raw in pairs:
        try:
            parsed.append((tree, _parsed(raw)))
        except ValidationError as error:
            faults += [f"{shown}:{_line(tree, e['loc'])}: {_told(e)}" for e in error.errors()]
        except ValueError as error:
            faults.append(f"{shown}:{_line(tree, ('kind',))}: {error}")
    faults += _foreign(shown, parsed, role)
    if faults:
        raise Misuse("\n".join(faults), next_step=f"mend {shown}, then make dev")
    return _edit(path, role, [document for _, document in parsed], [raw for _, raw in pairs])


def laid_over(stack: Stack, edits: tuple[Edit, ...]) -> Stack:
    """The stack with the edits in force. A limit without a request is the request too, as in Kubernetes."""
    roles = dict(stack.roles)
    for edit in edits:
        base = roles[edit.role]
        limit_cores = base.cpu_limit_cores if edit.limit_cores is None else edit.limit_cores
        request_cores = base.cpu_request_cores if edit.request_cores is None else edit.request_cores
        replicas = base.replicas if edit.replicas is None else edit.replicas
        roles[edit.role] = replace(
            base,
            replicas=edit.autoscaler.bounded(replicas) if edit.autoscaler and replicas else replicas,
            cpu_request_cores=limit_cores if request_cores is None else request_cores,
            cpu_limit_cores=limit_cores,
            autoscaler=edit.autoscaler,
            is_scaled=True,
        )
    return replace(stack, roles=MappingProxyType(roles))


def _found(labs: Path) -> dict[Path, str]:
    """edit.yaml → the role that its lab scales. A lab whose scenario cannot be read is told by whoever runs it."""
    found = {}
    for path in sorted(labs.glob("*/scenario.yaml")):
        try:
            scenario = yaml.load(path.read_bytes(), Loader=LOADER)
            if str(scenario["edit"]).endswith(".yaml"):
                found[path.parent / scenario["edit"]] = str(scenario["scales"])
        except (OSError, yaml.YAMLError, KeyError, TypeError):
            continue
    return found


def _documents(path: Path, shown: Path) -> list[tuple[yaml.Node, Any]]:
    """Every document as a tree with lines and as plain data."""
    try:
        text = path.read_text(encoding="utf-8")
        trees = [tree for tree in yaml.compose_all(text, Loader=yaml.SafeLoader) if tree is not None]
        raws = [raw for raw in yaml.safe_load_all(text) if raw is not None]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Misuse(f"{shown}:{line}: not YAML: {error.problem}", next_step=f"mend {shown}, then make dev") from error
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Misuse(f"{shown}: cannot be read: {error}", next_step=f"git checkout {shown}") from error
    full = [tree for tree in trees if not _is_empty(tree)]
    return list(zip(full, raws, strict=True))


def _is_empty(tree: yaml.Node) -> bool:
    return isinstance(tree, yaml.ScalarNode) and yaml.safe_load(tree.value or "null") is None


def _parsed(raw: Any) -> Deployment | HorizontalPodAutoscaler:
    kind = raw.get("kind") if isinstance(raw, dict) else None
    if kind not in KINDS:
        raise ValueError(f"a document of kind {kind!r}, expected one of: {', '.join(KINDS)}")
    return KINDS[kind].model_validate(raw)


def _line(tree: yaml.Node, place: tuple[int | str, ...]) -> int:
    """Line of a place, that of its document where it has none."""
    return max(line_of(tree, place), int(tree.start_mark.line) + 1)


def _told(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"]) or "the document"
    message = {"extra_forbidden": "may not be changed here, or does not exist", "missing": "is missing"}.get(
        error["type"], error["msg"].removeprefix("Value error, ")
    )
    given = (
        "" if error["type"] in ("missing", "extra_forbidden") or isinstance(error["input"], dict) else error["input"]
    )
    return f"{where}: {message}" + (f" (got {given!r})" if given != "" else "")


def _foreign(shown: Path, parsed: list[tuple[yaml.Node, Deployment | HorizontalPodAutoscaler]], role: str) -> list[str]:
    """What belongs to another resource, or stands here twice."""
    faults, seen = [], set()
    for tree, document in parsed:
        for place, what in _wrong(document, role):
            faults.append(f"{shown}:{_line(tree, place)}: {what}")
        if document.kind in seen:
            faults.append(f"{shown}:{_line(tree, ('kind',))}: a second {document.kind} of {role}, expected one")
        seen.add(document.kind)
    return faults


def _wrong(document: Deployment | HorizontalPodAutoscaler, role: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """(place, what is wrong there) of a document that is not about `role`."""
    if isinstance(document, Deployment):
        if document.metadata.name != role:
            yield ("metadata", "name"), f"metadata.name is {document.metadata.name!r}, expected {role}"
        if document.spec.template and document.spec.template.spec.containers[0].name != role:
            yield ("spec", "template", "spec", "containers"), f"the container of {role} is called {role}"
        return
    target = document.spec.scale_target_ref
    if (target.kind, target.name) != ("Deployment", role):
        told = f"spec.scaleTargetRef is {target.kind} {target.name!r}, expected Deployment {role}"
        yield ("spec", "scaleTargetRef"), told


def _edit(path: Path, role: str, documents: list[Any], raws: list[Any]) -> Edit:
    deployment = next((d for d in documents if isinstance(d, Deployment)), None)
    scaler = next((d for d in documents if isinstance(d, HorizontalPodAutoscaler)), None)
    template = deployment.spec.template if deployment else None
    resources = template.spec.containers[0].resources if template else None
    return Edit(
        lab=path.parent.name,
        role=role,
        replicas=deployment.spec.replicas if deployment else None,
        request_cores=resources.requests.cpu if resources else None,
        limit_cores=resources.limits.cpu if resources else None,
        autoscaler=_autoscaler(scaler.metadata.name, scaler.spec) if scaler else None,
        documents=tuple(raws),
    )


def _autoscaler(name: str, spec: HpaSpec) -> Hpa:
    return Hpa(
        name=name,
        min_replicas=spec.min_replicas,
        max_replicas=spec.max_replicas,
        metrics=tuple(map(_metric, spec.metrics)) or (DEFAULT_METRIC,),
        up=_direction(spec.behavior.scale_up, hpa.UP),
        down=_direction(spec.behavior.scale_down, hpa.DOWN),
    )


def _metric(spec: MetricSpec) -> Metric:
    resource = spec.resource if spec.type == "Resource" else spec.container_resource
    if spec.type in ("Resource", "ContainerResource") and resource:
        target = resource.target
        ratio = None if target.average_utilization is None else target.average_utilization / 100
        is_ratio = target.type == "Utilization"
        return Metric(spec.type, resource.name, ratio if is_ratio else None, None if is_ratio else target.average_value)
    part = {"Pods": spec.pods, "Object": spec.object, "External": spec.external}[spec.type] or {}
    named = part.get("metric")
    return Metric(spec.type, str(named.get("name", "?")) if isinstance(named, dict) else "?")


def _direction(rules: ScalingRules, default: Direction) -> Direction:
    policies = tuple(Policy(p.type, p.value, p.period_seconds) for p in rules.policies)
    window_s = rules.stabilization_window_seconds
    return Direction(
        default.window_s if window_s is None else window_s, policies or default.policies, rules.select_policy
    )
