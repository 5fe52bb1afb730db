"""Which runtime `auto` means, and why: the one that is up, else k3d where it would work at once, else local."""

import pytest
from tests.driver.stack.kube.conftest import World

from labdriver.errors import Misuse
from labdriver.stack.choose import choose, held_ports
from labdriver.stack.kube import bundle


def test_k3d_is_chosen_where_docker_k3d_and_the_bundle_are(world: World) -> None:
    """The workshop's home, when it would work."""
    runtime, why = choose("auto", world.root, world.settings)
    assert (runtime.name, why) == ("k3d", "Docker and k3d work here")


def test_docker_that_does_not_run_means_local_and_says_so(world: World) -> None:
    """An installed client proves nothing; the daemon is asked."""
    world.tools.daemon = False
    runtime, why = choose("auto", world.root, world.settings)
    assert runtime.name == "local"
    assert "Cannot connect to the Docker daemon" in why


def test_no_prework_means_local_without_asking_docker(world: World) -> None:
    """Nothing prefetched: k3d would only fail later, and a quickstart must not wait for Docker."""
    (bundle.folder(world.root, world.settings) / bundle.INDEX).unlink()
    runtime, why = choose("auto", world.root, world.settings)
    assert (runtime.name, why) == ("local", "needs neither Docker nor Kubernetes")
    assert world.tools.calls == []


def test_stack_that_is_up_is_used(world: World) -> None:
    """Whatever would be chosen now: commands go where the stack is."""
    world.k3d().up(world.say)
    world.tools.daemon = False
    runtime, why = choose("auto", world.root, world.settings)
    assert (runtime.name, why) == ("k3d", "it is up")
    assert held_ports(world.root, world.settings) == frozenset(world.settings.ports.values())


def test_asked_for_is_what_one_gets(world: World) -> None:
    """No second-guessing of an explicit name."""
    for name in ("local", "k3d", "kube"):
        assert choose(name, world.root, world.settings)[0].name == name


def test_unknown_runtime_lists_the_known(world: World) -> None:
    """A typing mistake."""
    with pytest.raises(Misuse, match="unknown runtime 'k3s', expected one of: auto, local, k3d, kube"):
        choose("k3s", world.root, world.settings)
