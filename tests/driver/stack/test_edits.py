"""What an edit.yaml may say, and what is told of one that says something else."""

import shutil
from pathlib import Path

import pytest

from labdriver.errors import Misuse
from labdriver.stack import edits, manifests
from labdriver.stack.hpa import Hpa, Metric, Policy

REPO = Path(__file__).resolve().parents[3]
SOLUTION = (REPO / "solutions" / "autoscale" / "edit.yaml").read_text()


@pytest.fixture
def labs(tmp_path: Path) -> Path:
    """The autoscale lab alone, with its solution as the edit."""
    folder = tmp_path / "labs" / "autoscale"
    shutil.copytree(REPO / "labs" / "autoscale", folder)
    (folder / "edit.yaml").write_text(SOLUTION)
    return folder.parent


def put(labs: Path, old: str, new: str) -> None:
    assert old in SOLUTION
    (labs / "autoscale" / "edit.yaml").write_text(SOLUTION.replace(old, new, 1))


def test_the_solution_is_read_whole(labs: Path) -> None:
    """Replicas, request, limit and autoscaler; the documents stay as they stand, for a cluster."""
    [edit] = edits.read(labs)
    assert (edit.lab, edit.role, edit.replicas) == ("autoscale", "estimator", 1)
    assert (edit.request_cores, edit.limit_cores) == (0.15, 0.25)
    assert edit.autoscaler == Hpa("estimator", 1, 6, (Metric("Resource", "cpu", utilization_ratio=0.6),))
    assert [document["kind"] for document in edit.documents] == ["Deployment", "HorizontalPodAutoscaler"]


def test_it_is_laid_over_the_stack(labs: Path) -> None:
    """Only its role is changed, and keeps what the edit does not name."""
    base = manifests.read(REPO / "k8s" / "base")
    roles = edits.laid_over(base, edits.read(labs)).roles
    assert {name for name in roles if roles[name] != base.roles[name]} == {"estimator"}
    estimator = roles["estimator"]
    assert (estimator.cpu_request_cores, estimator.cpu_limit_cores, estimator.is_scaled) == (0.15, 0.25, True)
    assert (estimator.args, estimator.env) == (base.roles["estimator"].args, base.roles["estimator"].env)


def test_a_limit_alone_is_the_request_too(labs: Path) -> None:
    """As in Kubernetes."""
    put(labs, "requests: {cpu: 150m, memory: 96Mi}", "requests: {memory: 96Mi}")
    role = edits.laid_over(manifests.read(REPO / "k8s" / "base"), edits.read(labs)).roles["estimator"]
    assert role.cpu_request_cores == 0.25


@pytest.mark.parametrize(("least", "replicas", "starts"), [(1, 1, 1), (3, 1, 3), (1, 9, 6), (3, 0, 0)])
def test_it_starts_within_the_autoscalers_bounds(labs: Path, least: int, replicas: int, starts: int) -> None:
    """Who was scaled to none stays there: such an autoscaler is off."""
    text = SOLUTION.replace("minReplicas: 1", f"minReplicas: {least}").replace(
        "  replicas: 1", f"  replicas: {replicas}"
    )
    (labs / "autoscale" / "edit.yaml").write_text(text)
    roles = edits.laid_over(manifests.read(REPO / "k8s" / "base"), edits.read(labs)).roles
    assert roles["estimator"].replicas == starts


def test_behaviour_is_read_and_has_the_documented_defaults(labs: Path) -> None:
    """What is not named stays as Kubernetes has it."""
    behavior = "  behavior: {scaleUp: {policies: [{type: Pods, value: 2, periodSeconds: 10}]}, scaleDown: "
    put(labs, "# LAB: STEP4 END", behavior + "{stabilizationWindowSeconds: 20}}\n# LAB: STEP4 END")
    hpa = edits.read(labs)[0].autoscaler
    assert hpa
    assert (hpa.up.window_s, hpa.up.policies) == (0, (Policy("Pods", 2, 10),))
    assert (hpa.down.window_s, hpa.down.policies) == (20, (Policy("Percent", 100, 15),))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("spec:\n  replicas", "spec:\n\treplicas", r"edit\.yaml:10: not YAML: found character '\\t'"),
        ("spec:\n  replicas: 1", "spec: [", r"edit\.yaml:11: not YAML"),
        ("{name: estimator,", "{name: api,", r"edit\.yaml:7: metadata\.name is 'api', expected estimator"),
        (
            "namespace: breakwater",
            "namespace: prod",
            r"edit\.yaml:7: metadata\.namespace: another namespace, expected br",
        ),
        ("- name: estimator", "- name: api", r"edit\.yaml:13: the container of estimator is called estimator"),
        (
            "- name: estimator",
            "- name: estimator\n          image: mine",
            r"edit\.yaml:15: .*image: may not be changed",
        ),
        ("  replicas: 1", "  replicas: -1", r"edit\.yaml:10: spec\.replicas: .*\(got -1\)"),
        ("cpu: 150m", "cpu: lots", r"edit\.yaml:16: .*requests\.cpu: not an amount of processor.*\(got 'lots'\)"),
        ("cpu: 150m", "cpu: 0", r"edit\.yaml:16: .*requests\.cpu: not an amount of processor"),
        ("cpu: 150m", "cpu: 400m", r"edit\.yaml:15: .*the cpu request is more than the cpu limit"),
        ("96Mi", "much", r"edit\.yaml:16: .*requests\.memory: not an amount of memory"),
        (
            "Deployment, name: estimator",
            "Deployment, name: api",
            r"edit\.yaml:23: .*Deployment 'api', expected Deployment e",
        ),
        ("kind: Deployment, name", "kind: StatefulSet, name", r"edit\.yaml:23: .*StatefulSet 'estimator'"),
        ("autoscaling/v2", "autoscaling/v1", r"edit\.yaml:19: apiVersion: .*'autoscaling/v2' \(got 'autoscaling/v1'\)"),
        (
            "kind: HorizontalPod",
            "kind: Pod",
            r"edit\.yaml:20: a document of kind 'PodAutoscaler', expected one of: Depl",
        ),
        ("minReplicas: 1", "minReplicas: 9", r"edit\.yaml:22: spec: maxReplicas 6 is less than minReplicas 9"),
        ("  maxReplicas: 6\n", "", r"edit\.yaml:22: spec\.maxReplicas: is missing"),
        ("averageUtilization: 60", "averageValue: 60m", r"edit\.yaml:27: .*type Utilization needs averageUtilization"),
        ("type: Resource,", "type: Pods,", r"edit\.yaml:27: .*a metric of type Pods needs pods"),
        (
            "---\n",
            "---\nkind: Deployment\napiVersion: apps/v1\nmetadata: {name: estimator}\n---\n",
            r"edit\.yaml:19: a second Deployment of estimator",
        ),
        ("---\n", "---\n- a list\n---\n", r"edit\.yaml:19: a document of kind None"),
    ],
)
def test_what_it_may_not_say_is_told_with_file_and_line(labs: Path, old: str, new: str, told: str) -> None:
    """One line a fault, and what was expected."""
    put(labs, old, new)
    with pytest.raises(Misuse, match=f"labs/autoscale/{told}"):
        edits.read(labs)


def test_all_faults_are_told_at_once(labs: Path) -> None:
    """Nobody mends a file line by line."""
    text = SOLUTION.replace("cpu: 150m", "cpu: lots").replace("maxReplicas: 6", "maxReplicas: six")
    (labs / "autoscale" / "edit.yaml").write_text(text)
    with pytest.raises(Misuse) as caught:
        edits.read(labs)
    assert len(caught.value.message.splitlines()) == 2


def test_an_empty_second_document_is_none(labs: Path) -> None:
    """The starter ends with one."""
    shutil.copyfile(REPO / "solutions" / "autoscale" / "starter.yaml", labs / "autoscale" / "edit.yaml")
    assert edits.read(labs)[0].autoscaler is None


def test_a_lab_whose_scenario_is_broken_is_left_to_whoever_runs_it(labs: Path) -> None:
    """Reading the others must go on."""
    (labs / "autoscale" / "scenario.yaml").write_text("edit: [")
    assert edits.read(labs) == ()
