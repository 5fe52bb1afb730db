"""The objects as they should be, computed from files: image, labs, hashes, secret, edits laid over."""

from pathlib import Path
from typing import Any

import pytest

from labdriver.errors import Misuse
from labdriver.stack.kube import labs
from labdriver.stack.kube.desired import Inputs, desired

Object = dict[str, Any]


def objects(root: Path, **changed: Any) -> dict[tuple[str, str], Object]:
    given: dict[str, Any] = {"owner": "me", "image": "breakwater/labsvc:1f", "pull": "Never", "password": "s3cret"}
    made = desired(Inputs(root=root, **{**given, **changed}))
    return {(one["kind"], one["metadata"]["name"]): one for one in made}


def container(one: Object) -> Object:
    found: Object = one["spec"]["template"]["spec"]["containers"][0]
    return found


def write_edit(root: Path, text: str) -> None:
    folder = root / "labs" / "autoscale"
    folder.mkdir(exist_ok=True)
    (folder / "scenario.yaml").write_text("roles: [estimator]\nscales: estimator\nedit: edit.yaml\n")
    (folder / "service.py").write_text("ROLE = 'estimator'\n")
    (folder / "edit.yaml").write_text(text)


def test_our_pods_get_the_image_and_nobody_pulls(checkout: Path) -> None:
    """The image by its hash in every role, the database's own untouched, `Never` on all of them."""
    made = objects(checkout)
    for role in ("api", "worker", "depsim", "generator"):
        assert container(made["Deployment", role])["image"] == "breakwater/labsvc:1f"
    assert container(made["Deployment", "postgres"])["image"].startswith("postgres:")
    policies = {container(one)["imagePullPolicy"] for (kind, _), one in made.items() if kind == "Deployment"}
    assert policies == {"Never"}


def test_labs_are_mounted_where_they_are_served(checkout: Path) -> None:
    """The timeouts lab is the api's; its files arrive as labs/timeouts/ and the ConfigMap cannot change under a pod."""
    made = objects(checkout)
    volume = next(v for v in made["Deployment", "api"]["spec"]["template"]["spec"]["volumes"] if v["name"] == "labs")
    name = volume["configMap"]["name"]
    assert made["ConfigMap", name]["immutable"] is True
    paths = {item["path"] for item in volume["configMap"]["items"]}
    assert paths == {"timeouts/scenario.yaml", "timeouts/service.py", "timeouts/edit.py"}
    edit = (checkout / "labs" / "timeouts" / "edit.py").read_text()
    assert made["ConfigMap", name]["data"]["timeouts.edit.py"] == edit
    assert all(v["name"] != "labs" for v in made["Deployment", "depsim"]["spec"]["template"]["spec"]["volumes"])


def test_content_is_in_the_names_so_that_only_edits_roll_out(checkout: Path) -> None:
    """The same files give the same objects; one changed byte gives another ConfigMap and another pod template."""
    first, again = objects(checkout), objects(checkout)
    assert first == again
    path = checkout / "labs" / "timeouts" / "edit.py"
    path.write_text(path.read_text() + "\n")
    edited = objects(checkout)
    assert edited["Deployment", "api"] != first["Deployment", "api"]
    assert edited["Deployment", "worker"] == first["Deployment", "worker"]


def test_shared_settings_roll_out_who_reads_them(checkout: Path) -> None:
    """A ConfigMap read into the environment would otherwise change under nobody."""
    first = objects(checkout)
    path = checkout / "k8s" / "base" / "config.yaml"
    path.write_text(path.read_text().replace("LAB_LOG_LEVEL: info", "LAB_LOG_LEVEL: debug"))
    assert objects(checkout)["Deployment", "worker"] != first["Deployment", "worker"]


def test_secret_is_filled_once_and_then_left_alone(checkout: Path) -> None:
    """The place-holder never reaches a cluster; a cluster that has its Secret keeps it."""
    secret = objects(checkout)["Secret", "postgres"]
    assert secret["stringData"]["password"] == "s3cret"
    assert secret["stringData"]["url"] == "postgresql://postgres:s3cret@postgres:5432/postgres"
    assert ("Secret", "postgres") not in objects(checkout, password=None)


def test_what_is_referred_to_comes_first(checkout: Path) -> None:
    """Namespace, Secret and ConfigMaps before the pods that need them."""
    kinds = [kind for kind, _ in objects(checkout)]
    assert kinds[0] == "Namespace"
    assert max(i for i, k in enumerate(kinds) if k in ("Secret", "ConfigMap")) < kinds.index("Deployment")


def test_edit_yaml_is_laid_over_the_stack(checkout: Path) -> None:
    """Resources of the edit win, the rest of the container stays; with an autoscaler nobody else sets replicas."""
    write_edit(
        checkout,
        """
apiVersion: apps/v1
kind: Deployment
metadata: {name: estimator}
spec: {template: {spec: {containers: [{name: estimator, resources: {requests: {cpu: 300m}}}]}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: estimator}
spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: estimator}, maxReplicas: 4}
""",
    )
    made = objects(checkout)
    estimator = made["Deployment", "estimator"]
    assert container(estimator)["resources"]["requests"] == {"cpu": "300m", "memory": "96Mi"}
    assert container(estimator)["args"] == ["estimator"]
    assert "replicas" not in estimator["spec"]
    scaler = made["HorizontalPodAutoscaler", "estimator"]
    assert scaler["metadata"]["namespace"] == "breakwater"
    assert scaler["metadata"]["labels"][labs.LAB_LABEL] == "autoscale"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: Secret\nmetadata: {name: a}\n", "kind 'Secret', expected one of"),
        ("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: api}\n", "expected estimator"),
        ("kind: [\n", r"edit\.yaml:2: not YAML"),
    ],
)
def test_edit_yaml_of_others_is_refused_before_anything_is_made(checkout: Path, text: str, told: str) -> None:
    """By the same reading as for the local runtime, with file and line."""
    write_edit(checkout, text)
    with pytest.raises(Misuse, match=told):
        objects(checkout)


def test_merging_keeps_what_is_not_named() -> None:
    """Maps by key, lists of named things by name, everything else replaced."""
    base = {"a": 1, "list": [{"name": "x", "v": 1}, {"name": "y"}], "plain": [1, 2]}
    over = {"list": [{"name": "x", "w": 2}, {"name": "z"}], "plain": [3]}
    assert labs.merged(base, over) == {
        "a": 1,
        "list": [{"name": "x", "v": 1, "w": 2}, {"name": "y"}, {"name": "z"}],
        "plain": [3],
    }


def test_labs_too_large_for_a_config_map_are_refused(checkout: Path) -> None:
    """Told before the API would, with the size."""
    (checkout / "labs" / "timeouts" / "service.py").write_text("#" * 1_000_000)
    with pytest.raises(Misuse, match=r"the labs of api are 10\d+ bytes, expected at most 900000"):
        objects(checkout)


def test_bytes_that_are_no_text_travel_unchanged(checkout: Path) -> None:
    """A damaged edit is reported by the service with its checksum, not mangled on the way."""
    (checkout / "labs" / "timeouts" / "edit.py").write_bytes(b"# \xff\n")
    made = objects(checkout)
    name = next(n for kind, n in made if kind == "ConfigMap" and n.startswith("labs-api"))
    assert made["ConfigMap", name]["binaryData"]["timeouts.edit.py"] == "IyD/Cg=="
