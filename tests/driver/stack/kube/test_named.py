"""RUNTIME=kube: somebody's cluster, named and never guessed, used in one namespace that is ours."""

import json
from pathlib import Path

import pytest
from tests.driver.stack.kube.conftest import World
from tests.driver.stack.kube.fake_api import troubled

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.stack.kube import image


def test_cluster_must_be_named(world: World) -> None:
    """No default context is ever used; the known ones are listed."""
    with pytest.raises(Misuse, match="is not set; no default is ever used, expected one of: production, theirs"):
        world.kube(kube_context="").up(world.say)
    assert world.api.requests == []


def test_unknown_context_is_told_with_the_known_ones(world: World) -> None:
    """A typing mistake."""
    with pytest.raises(Misuse, match="LAB_KUBE_CONTEXT='thiers' is no context, expected one of: production, theirs"):
        world.kube(kube_context="thiers").up(world.say)


def test_up_uses_one_namespace_and_ports_of_the_clusters_choice(world: World) -> None:
    """Nothing cluster-wide is made but the namespace; NodePorts are the cluster's to give, addresses are found out."""
    change = world.kube().up(world.say)
    assert change.changed
    made = {(kind, namespace) for kind, namespace, _ in world.api.objects}
    assert {namespace for kind, namespace in made if kind not in ("Namespace", "Node")} == {"breakwater"}
    service = world.api.get("Service", "api")
    assert service is not None
    assert world.kube().url("api") == f"http://127.0.0.1:{service['spec']['ports'][0]['nodePort']}"
    assert world.kube().status().ready
    assert world.tools.calls == []


def test_policies_learn_where_the_pods_of_that_cluster_live(world: World) -> None:
    """depsim admits what is no pod: the cluster's own pod network is excepted, not that of k3s."""
    node = next(one for key, one in world.api.objects.items() if key[0] == "Node")
    node["spec"] |= {"podCIDR": "10.99.0.0/24", "podCIDRs": ["10.99.0.0/24", "fd00::/64"]}
    world.kube().up(world.say)
    policy = world.api.get("NetworkPolicy", "depsim")
    assert policy is not None
    blocks = [peer["ipBlock"] for peer in policy["spec"]["ingress"][0]["from"] if "ipBlock" in peer]
    assert blocks == [{"cidr": "0.0.0.0/0", "except": ["10.99.0.0/24"]}]


def test_namespace_of_others_is_left_alone(world: World) -> None:
    """A namespace of our name that this checkout did not make is neither changed nor removed."""
    world.api.put({"kind": "Namespace", "metadata": {"name": "breakwater"}})
    with pytest.raises(EnvironmentFault, match="the namespace breakwater of theirs is not this checkout's"):
        world.kube().up(world.say)
    assert world.api.called("PATCH", "") == []
    assert not world.kube().down(world.say).changed


def test_context_that_leads_elsewhere_since_up_is_refused(world: World) -> None:
    """The same name, another cluster: its kube-system has another uid. Neither `dev`-like work nor removal."""
    world.kube().up(world.say)
    namespace = world.api.get("Namespace", "kube-system", "")
    assert namespace is not None
    namespace["metadata"]["uid"] = "another-cluster"
    world.api.requests.clear()
    runtime = world.kube()
    for verb in (runtime.up, runtime.dev, runtime.reset, runtime.unscale, runtime.down):
        with pytest.raises(EnvironmentFault, match="now leads to another cluster"):
            verb(world.say)
    assert {method for method, _ in world.api.requests} == {"GET"}


def test_cluster_that_is_gone_for_good_is_no_dead_end(world: World) -> None:
    """Deleted, or its context was: `up` and `down` say how to begin anew."""
    world.kube().up(world.say)
    kubeconfig = Path(world.settings.outside["KUBECONFIG"])
    for text, told in ((world.api.kubeconfig("other"), "no context theirs"), ("{", "no context theirs in")):
        kubeconfig.write_text(text)
        for verb in (world.kube().up, world.kube().down):
            with pytest.raises(EnvironmentFault, match=told) as fault:
                verb(world.say)
            assert fault.value.next_step.endswith(f"rm -r {world.root / '.lab' / 'kube'}")


def test_another_context_than_that_of_up_is_refused(world: World) -> None:
    """One checkout, one stack."""
    world.kube().up(world.say)
    with pytest.raises(Misuse, match="LAB_KUBE_CONTEXT=production, but the stack of this checkout is on theirs"):
        world.kube(kube_context="production").up(world.say)


def test_down_removes_the_namespace_and_what_is_known_of_the_cluster(world: World) -> None:
    """And only that: the other namespace is as it was."""
    world.kube().up(world.say)
    world.kube().down(world.say)
    assert {key[2] for key in world.api.objects if key[0] == "Namespace"} == {"kube-system"}
    assert not (world.root / ".lab" / "kube").exists()


def test_image_is_pushed_where_the_nodes_pull_from(world: World) -> None:
    """LAB_REGISTRY: built, tagged, pushed, and asked for by that name. Docker keeps no name nor older edit."""
    world.tools.images.add(image.image(world.root).base)
    world.tools.images.add("breakwater/labsvc:0ld")
    world.kube(registry="registry.example/team").up(world.say)
    wanted = image.image(world.root).app.rpartition(":")[2]
    assert world.tools.called("docker", "image", "rm", f"registry.example/team/labsvc:{wanted}") != []
    assert "breakwater/labsvc:0ld" not in world.tools.images
    assert world.tools.pushes == [f"registry.example/team/labsvc:{wanted}"]
    deployment = world.api.get("Deployment", "api")
    assert deployment is not None
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == world.tools.pushes[0]
    assert world.kube(registry="registry.example/team").served_code() != {}


def test_registry_that_was_forgotten_is_enough_to_name(world: World) -> None:
    """The nodes do not have the image: what the error says to type brings it there, and `dev` needs no reminder."""
    world.tools.images.add(image.image(world.root).base)
    world.api.hold["worker"] = troubled("worker")
    with pytest.raises(EnvironmentFault, match=r"worker-\S+: ErrImageNeverPull") as fault:
        world.kube().up(world.say)
    assert fault.value.next_step.startswith("LAB_REGISTRY=")
    del world.api.hold["worker"]
    world.kube(registry="registry.example/team").up(world.say)
    assert len(world.tools.pushes) == 1
    world.kube().dev(world.say)
    deployment = world.api.get("Deployment", "worker")
    assert deployment is not None
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == world.tools.pushes[0]


def test_no_address_answers_is_told_with_what_was_tried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """NodePorts behind a firewall: the variable that says where they answer."""
    monkeypatch.setattr("labdriver.stack.kube.named.REACH_S", 0.2)
    world.api.open_node_port = lambda _: 9
    with pytest.raises(EnvironmentFault, match=r"no NodePort of theirs answers: tried 127\.0\.0\.2") as fault:
        world.kube(kube_host="127.0.0.2").up(world.say)
    assert "LAB_KUBE_HOST" in fault.value.next_step


def test_state_is_readable_by_its_owner_only(world: World) -> None:
    """It says where credentials are."""
    world.kube().up(world.say)
    state = Path(world.root / ".lab" / "kube" / "cluster.json")
    assert state.stat().st_mode & 0o077 == 0
    assert json.loads(state.read_text())["context"] == "theirs"
