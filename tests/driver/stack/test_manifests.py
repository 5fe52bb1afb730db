"""The manifests describe the stack: what is read from them, and what the local runtime makes of it."""

from pathlib import Path

import pytest

from labdriver.errors import Misuse
from labdriver.settings import DEFAULT_PORTS
from labdriver.stack import manifests
from labdriver.stack.local.environment import environment

REPO = Path(__file__).resolve().parents[3]
BASE = REPO / "k8s" / "base"


def test_every_role_has_the_ports_of_the_contract() -> None:
    """Service ports are those that users know; NodePorts are the same behind 30 000."""
    stack = manifests.read(BASE)
    assert {name: role.port for name, role in stack.roles.items() if role.node_port} == DEFAULT_PORTS
    assert {role.node_port - 22_000 - role.port for role in stack.roles.values() if role.node_port} == {0}


def test_a_role_is_read_whole() -> None:
    """Arguments, replicas, processor, and values from ConfigMap and Secret."""
    api = manifests.read(BASE).roles["api"]
    assert (api.args, api.replicas) == (("api",), 1)
    assert (api.cpu_request_cores, api.cpu_limit_cores) == (0.2, None)
    assert api.env["LAB_DEPSIM_URL"] == "http://depsim:8083"
    assert api.env["LAB_DATABASE_URL"].startswith("postgresql://")
    assert api.env["LAB_REPLICA"] == manifests.POD_NAME


def test_the_local_environment_is_the_manifests_alone(tmp_path: Path) -> None:
    """Host names become 127.0.0.1 and the moved port; the user's own variables do not get through."""
    role = manifests.read(BASE).roles["api"]
    env = environment(
        role,
        replica="api-2",
        root=tmp_path,
        ports={**DEFAULT_PORTS, "depsim": 9999},
        database_url="postgresql://here",
        outer={"PATH": "/bin", "LAB_API_PORT": "1", "HTTP_PROXY": "http://proxy", "PYTHONPATH": "/mine"},
    )
    assert env["LAB_DEPSIM_URL"] == "http://127.0.0.1:9999"
    assert (env["LAB_DATABASE_URL"], env["LAB_REPLICA"]) == ("postgresql://here", "api-2")
    assert (env["LAB_LABS_DIR"], env["PYTHONPATH"]) == (str(tmp_path / "labs"), str(tmp_path / "services"))
    assert env["PATH"] == "/bin"
    assert not {"LAB_API_PORT", "HTTP_PROXY", "LAB_HOST", "LAB_PORT"} & env.keys()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kind: [", r"x\.yaml:\d+: not YAML"),
        ("metadata: {name: api}", r"x\.yaml: a document has no kind or no name"),
        ("kind: ConfigMap\nmetadata: {name: a}", "describes no role"),
        (
            "kind: Deployment\nmetadata: {name: api}\n"
            "spec: {template: {spec: {containers: [{image: breakwater/labsvc:dev}]}}}",
            r"x\.yaml: Deployment api: ",
        ),
    ],
)
def test_a_broken_manifest_is_named(tmp_path: Path, text: str, told: str) -> None:
    """File, and line where there is one."""
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(Misuse, match=told):
        manifests.read(tmp_path)


@pytest.mark.parametrize(("text", "cores"), [("200m", 0.2), ("2", 2.0), (1, 1.0), ("1.5", 1.5)])
def test_cores_of_a_quantity(text: str | int, cores: float) -> None:
    """As Kubernetes counts processors."""
    assert manifests.cores(text) == cores


@pytest.mark.parametrize(("text", "size"), [("128Mi", 134217728), ("1Gi", 2**30), ("1k", 1000), ("42", 42)])
def test_bytes_of_a_quantity(text: str, size: int) -> None:
    """As Kubernetes counts memory."""
    assert manifests.memory_bytes(text) == size
