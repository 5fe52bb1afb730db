"""The bundle: fetched image by image, gone on with after an interruption, handed over with checksums."""

import json
from pathlib import Path

import pytest
from tests.driver.stack.kube.conftest import World, checkout, world  # noqa: F401  (fixtures)

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.lock import hold
from labdriver.prefetch import prefetch, take
from labdriver.settings import Settings
from labdriver.stack.kube import bundle


@pytest.fixture
def bare(world: World, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: F811
    """A machine with Docker and a network, and nothing fetched yet."""
    import shutil

    shutil.rmtree(bundle.folder(world.root, world.settings))
    world.tools.network = True
    monkeypatch.setattr("labdriver.prefetch.platform.machine", lambda: "x86_64")
    return world


def fetch(world: World) -> list[str]:  # noqa: F811
    return prefetch(world.root, world.settings, say=world.say).fetched


def test_everything_a_cluster_needs_is_in_the_bundle(bare: World) -> None:
    """k3s and its own system images, k3d's helper, Postgres, our image and the layer that edits are built upon."""
    done = prefetch(bare.root, bare.settings, say=bare.say)
    names = " ".join(done.fetched)
    for part in ("rancher/k3s:v", "k3d-tools:", "mirrored-pause:", "mirrored-coredns", "metrics-server:", "postgres:"):
        assert part in names
    assert "breakwater/labsvc:" in names
    assert "breakwater/labsvc-base:" in names
    path = bundle.folder(bare.root, bare.settings)
    assert bundle.missing(path, bundle.wanted(bare.root)) == []
    assert done.size_bytes == sum(file.stat().st_size for file in path.rglob("*.tar.gz"))
    assert list(path.rglob("*.part")) == []


def test_second_time_fetches_nothing(bare: World) -> None:
    """Checksums are compared; what is good is left alone."""
    fetch(bare)
    bare.tools.calls.clear()
    assert fetch(bare) == []
    assert bare.tools.called("docker", "pull") == []


def test_interrupted_fetch_goes_on_where_it_was(bare: World) -> None:
    """The network goes away after two images: they stay, the rest is listed, and fetched the next time."""
    wanted = bundle.wanted(bare.root)
    bare.tools.network = False
    bare.tools.images |= {item.image for item in wanted[:2]}
    with pytest.raises(EnvironmentFault, match=f"{len(wanted) - 2} of {len(wanted)} images are missing") as fault:
        fetch(bare)
    assert "rancher/mirrored-pause:3.6, rancher/mirrored-coredns-coredns:1.13.1, " in fault.value.message
    assert fault.value.message.count("no such host") == 1  # one reason is told once
    assert "it goes on from here" in fault.value.next_step
    bare.tools.network = True
    assert len(fetch(bare)) == len(wanted) - 2


def test_damaged_file_is_fetched_again(bare: World) -> None:
    """Right size, wrong bytes."""
    fetch(bare)
    path = next(bundle.folder(bare.root, bare.settings).glob("cluster/postgres*"))
    path.write_bytes(b"x" * path.stat().st_size)
    assert fetch(bare) == ["postgres:18.1-alpine"]


def test_image_of_an_older_kit_is_dropped(bare: World) -> None:
    """k3s would import it at every start."""
    fetch(bare)
    path = bare.root / "k8s" / "base" / "postgres.yaml"
    path.write_text(path.read_text().replace("postgres:18.1-alpine", "postgres:18.2-alpine"))
    assert fetch(bare) == ["postgres:18.2-alpine"]
    names = {file.name for file in (bundle.folder(bare.root, bare.settings) / "cluster").iterdir()}
    assert "postgres_18.1-alpine.tar.gz" not in names


def test_two_at_a_time_are_refused(bare: World, tmp_path: Path) -> None:
    """They would take away each other's halves; the second is told who is at it. Seen for real."""
    there = stick(bare, tmp_path)
    lock = bundle.folder(bare.root, bare.settings) / "prefetch.lock"
    with hold(lock, what="prefetch", by="the other one", thing="it"):
        with pytest.raises(EnvironmentFault, match="is in use: prefetch by the other one since"):
            fetch(bare)
        with pytest.raises(EnvironmentFault, match="is in use: prefetch by the other one since"):
            take(bare.root, bare.settings, there, say=bare.say)


def test_half_that_a_killed_docker_left_is_cleared_away(bare: World) -> None:
    """`docker save` writes beside its target; nobody would ever take that file away."""
    left = bundle.folder(bare.root, bare.settings) / "cluster" / ".docker_temp_1934510619"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    fetch(bare)
    assert not left.exists()


def test_docker_that_does_not_run_is_told(bare: World) -> None:
    """And that the local runtime needs nothing of this."""
    bare.tools.daemon = False
    with pytest.raises(EnvironmentFault, match="Docker does not work") as fault:
        fetch(bare)
    assert "RUNTIME=local" in fault.value.next_step


def stick(bare: World, tmp_path: Path) -> Path:
    """A bundle as somebody hands it over."""
    fetch(bare)
    there = tmp_path / "stick"
    bundle.folder(bare.root, bare.settings).rename(there)
    bare.tools.network = False
    return there


def test_bundle_is_taken_from_a_stick_without_network(bare: World, tmp_path: Path) -> None:
    """`make prefetch BUNDLE=…`: copied, compared, complete; what Docker itself runs is in Docker."""
    there = stick(bare, tmp_path)
    bare.tools.images.clear()
    bare.tools.calls.clear()
    done = take(bare.root, bare.settings, there, say=bare.say)
    assert len(done.fetched) == len(bundle.wanted(bare.root))
    assert bundle.missing(bundle.folder(bare.root, bare.settings), bundle.wanted(bare.root)) == []
    assert bare.tools.called("docker", "pull") == []
    assert bare.tools.images == {item.image for item in bundle.wanted(bare.root) if item.name.startswith("docker/")}
    assert take(bare.root, bare.settings, there, say=bare.say).fetched == []


def test_bundle_is_taken_while_docker_does_not_run(bare: World, tmp_path: Path) -> None:
    """The copy is what matters; `up` gives Docker its images when it can."""
    there = stick(bare, tmp_path)
    bare.tools.daemon = False
    done = take(bare.root, bare.settings, there, say=bare.say)
    assert len(done.fetched) == len(bundle.wanted(bare.root))
    assert "could not load" in bare.said[-1]


def test_interrupted_copy_goes_on_in_the_middle_of_a_file(bare: World, tmp_path: Path) -> None:
    """The first half is not read again; a half of another version is noticed by its checksum."""
    there = stick(bare, tmp_path)
    path = bundle.folder(bare.root, bare.settings)
    name = "cluster/postgres_18.1-alpine.tar.gz"
    whole = (there / name).read_bytes()
    (path / "cluster").mkdir(parents=True)
    (path / f"{name}.part").write_bytes(whole[: len(whole) // 2])
    take(bare.root, bare.settings, there, say=bare.say)
    assert (path / name).read_bytes() == whole
    (path / name).rename(path / f"{name}.part")
    (path / f"{name}.part").write_bytes(b"of another version")
    take(bare.root, bare.settings, there, say=bare.say)
    assert (path / name).read_bytes() == whole


def test_damaged_stick_is_refused(bare: World, tmp_path: Path) -> None:
    """A checksum that does not match is told with the file; nothing half-copied counts."""
    there = stick(bare, tmp_path)
    name = "cluster/postgres_18.1-alpine.tar.gz"
    (there / name).write_bytes(b"\0" * (there / name).stat().st_size)
    with pytest.raises(EnvironmentFault, match=r"postgres_18\.1-alpine\.tar\.gz is damaged"):
        take(bare.root, bare.settings, there, say=bare.say)
    assert not (bundle.folder(bare.root, bare.settings) / name).exists()


def test_stick_that_cannot_be_read_is_told(bare: World, tmp_path: Path) -> None:
    """A file that its index names is gone, or the stick was pulled out: what was copied stays."""
    there = stick(bare, tmp_path)
    name = "cluster/postgres_18.1-alpine.tar.gz"
    whole = (there / name).read_bytes()
    (there / name).unlink()
    with pytest.raises(EnvironmentFault, match=r"postgres_18\.1-alpine\.tar\.gz was not copied: No such file") as fault:
        take(bare.root, bare.settings, there, say=bare.say)
    assert "it goes on from here" in fault.value.next_step
    (there / name).write_bytes(whole)
    assert 0 < len(take(bare.root, bare.settings, there, say=bare.say).fetched) < len(bundle.wanted(bare.root))


def test_stick_of_another_kit_spoils_nothing(bare: World, tmp_path: Path) -> None:
    """What this kit does not want is left where it is, and a good file is not written over with another version's."""
    there = stick(bare, tmp_path)
    take(bare.root, bare.settings, there, say=bare.say)
    path = bundle.folder(bare.root, bare.settings)
    before = (path / bundle.INDEX).read_text()
    index = json.loads((there / bundle.INDEX).read_text())
    base = next(file for file in index["files"] if file["name"] == bundle.BASE_FILE)
    base["image"] = "breakwater/labsvc-base:0ld"
    index["files"].append({**base, "name": "../../labs/timeouts/edit.py"})
    (there / bundle.INDEX).write_text(json.dumps(index))
    edit = (bare.root / "labs" / "timeouts" / "edit.py").read_bytes()
    assert take(bare.root, bare.settings, there, say=bare.say).fetched == []
    assert (path / bundle.INDEX).read_text() == before
    assert (bare.root / "labs" / "timeouts" / "edit.py").read_bytes() == edit


def test_bundle_for_another_processor_is_refused(bare: World, tmp_path: Path) -> None:
    """An Intel bundle on an Apple laptop would be emulated or refuse to start."""
    there = stick(bare, tmp_path)
    index = json.loads((there / bundle.INDEX).read_text())
    (there / bundle.INDEX).write_text(json.dumps(index | {"arch": "arm64"}))
    with pytest.raises(Misuse, match="is for arm64, this machine is amd64"):
        take(bare.root, bare.settings, there, say=bare.say)


def test_folder_that_is_no_bundle_is_refused(bare: World, tmp_path: Path) -> None:
    """A wrong path, or a stick of holiday pictures."""
    with pytest.raises(Misuse, match="holds no bundle"):
        take(bare.root, bare.settings, tmp_path, say=bare.say)
    (tmp_path / bundle.INDEX).write_text("{}")
    with pytest.raises(Misuse, match="is not a bundle's index"):
        take(bare.root, bare.settings, tmp_path, say=bare.say)


def test_edited_source_does_not_make_a_bundle_incomplete(bare: World) -> None:
    """Our image is built upon the dependency layer, offline; changed dependencies do need a new layer."""
    fetch(bare)
    path = bundle.folder(bare.root, bare.settings)
    (bare.root / "services" / "labsvc" / "cli.py").write_text("print('edited')\n")
    assert bundle.missing(path, bundle.wanted(bare.root)) == []
    (bare.root / "services" / "requirements.txt").write_text("anyio==1\n")
    assert len(bundle.missing(path, bundle.wanted(bare.root))) == 1


def test_bundle_may_lie_elsewhere(bare: World, tmp_path: Path) -> None:
    """LAB_BUNDLE: one bundle for several checkouts."""
    settings = Settings(**{**vars(bare.settings), "bundle": str(tmp_path / "shared")})
    prefetch(bare.root, settings, say=bare.say)
    assert (tmp_path / "shared" / bundle.INDEX).is_file()
