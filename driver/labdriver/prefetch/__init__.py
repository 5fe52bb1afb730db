"""Fills the bundle: from the network, image by image, or from the folder that somebody hands over.

    network ──docker pull, build──▶ docker save ──gzip──▶ .lab/bundle/*.tar.gz ──▶ bundle.json (sizes, checksums)
    a stick ──copied and compared with its checksums──▶ the same ──docker load──▶ what Docker itself runs

Either way it goes on where it was interrupted, and what is there and good is left alone.
"""

import gzip
import os
import platform
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from labdriver.errors import EnvironmentFault, Misuse
from labdriver.lock import hold
from labdriver.settings import Settings
from labdriver.stack.command import run
from labdriver.stack.kube import bundle, image
from labdriver.stack.kube.bundle import ARCHES, CHUNK_BYTES, File, Item
from labdriver.stack.kube.observe import grouped
from labdriver.stack.runtime import Say

PULL_S = 1800.0
ASK_S = 10.0
DOCKERS_OWN = "*/.docker_temp_*"  # what `docker save` leaves when it is killed
ROOM = 1.3  # of a file, free on the disk before it is written


@dataclass(frozen=True)
class Done:
    """A bundle after the work."""

    files: list[str]
    fetched: list[str]  # images that were not there before
    size_bytes: int


def prefetch(root: Path, settings: Settings, *, say: Say) -> Done:
    """Fetch what the bundle lacks. Raises EnvironmentFault listing what could not be had; the rest is kept."""
    _need_docker()
    path = bundle.folder(root, settings)
    with _held(path, root):
        return _filled(path, root, settings, say)


def _filled(path: Path, root: Path, settings: Settings, say: Say) -> Done:
    files = _kept(path)
    fetched: list[str] = []
    failed: list[str] = []
    for item in bundle.wanted(root):
        file = files.get(item.name)
        if file and file.image == item.image and _is_good(path, file):
            continue
        try:
            say(f"{'building' if item.made_here else 'fetching'} {item.image}")
            _obtain(root, settings, item, say)
            files[item.name] = _saved(path, item)
            bundle.write(path, files, arch=_arch())
            fetched.append(item.image)
        except (EnvironmentFault, OSError) as error:
            failed.append(f"{item.image}: {getattr(error, 'message', error)}")
    _drop_strangers(path, {item.name for item in bundle.wanted(root)}, files)
    if failed:
        raise EnvironmentFault(
            f"{len(failed)} of {len(bundle.wanted(root))} images are missing: {grouped(failed)}",
            next_step="make prefetch RUNTIME=k3d again, on a better network: it goes on from here",
        )
    bundle.write(path, files, arch=_arch())
    return _done(files, fetched)


def take(root: Path, settings: Settings, source: Path, *, say: Say) -> Done:
    """Copy a bundle from `source`, comparing every checksum. Raises Misuse when it is none, or for another machine."""
    path = bundle.folder(root, settings)
    offered = bundle.read(source)
    if not offered:
        raise Misuse(
            f"{source} holds no bundle (no {bundle.INDEX})", next_step="ls it; prefetch prints where it puts one"
        )
    if bundle.arch(source) != _arch():
        raise Misuse(
            f"{source} is for {bundle.arch(source)}, this machine is {_arch()}", next_step="ask for the other one"
        )
    with _held(path, root):
        return _copied(path, source, offered, root, say)


def _copied(path: Path, source: Path, offered: dict[str, File], root: Path, say: Say) -> Done:
    files = _kept(path) if source.resolve() != path.resolve() else offered
    fetched: list[str] = []
    for item in bundle.wanted(root):  # nothing else of the stick: not what another version of the kit wants
        file, held = offered.get(item.name), files.get(item.name)
        if file is None or not bundle.fits(file, item):
            continue
        is_better = held and held.image == item.image != file.image  # our own image, of this very source
        if held and (held == file or is_better) and _is_good(path, held):
            continue
        say(f"copying {file.image} ({file.size_bytes / 1e6:.0f} MB)")
        try:
            _copy(source / file.name, path / file.name, file)
        except OSError as error:
            raise EnvironmentFault(
                f"{source / file.name} was not copied: {error.strerror}",
                next_step="the same command again, it goes on from here; or another copy of the bundle",
            ) from error
        files[file.name] = file
        bundle.write(path, files, arch=_arch())
        fetched.append(file.image)
    missing = bundle.missing(path, bundle.wanted(root))
    if missing:
        raise EnvironmentFault(
            f"{source} is of another version of the kit and lacks {', '.join(missing)}",
            next_step="make prefetch RUNTIME=k3d on a good network",
        )
    _hand_over(path, files, say)
    return _done(files, fetched)


def _held(path: Path, root: Path) -> AbstractContextManager[None]:
    """One at a time: two of them would take away each other's halves."""
    return hold(path / "prefetch.lock", what="prefetch", by=str(root), thing=str(path))


def _hand_over(path: Path, files: dict[str, File], say: Say) -> None:
    """Give Docker what Docker runs: `up` is quicker then, and preflight has an image to try. Later, if it is down."""
    for file in files.values():
        if not file.name.startswith("docker/") or image.in_docker(file.image):
            continue
        try:
            image.load(path / file.name)
            say(f"Docker has {file.image} now")
        except EnvironmentFault as error:
            say(f"{error.message}: `up` will try again")
            return


def _obtain(root: Path, settings: Settings, item: Item, say: Say) -> None:
    """Have the image in Docker."""
    if image.in_docker(item.image):
        return
    if item.made_here:
        image.build(root, image.image(root), settings, say)
        return
    ran = run("docker", "pull", "--quiet", item.image, timeout_s=PULL_S)
    if not ran.ok:
        raise EnvironmentFault(ran.last_words)


def _saved(path: Path, item: Item) -> File:
    """Write an image into the bundle: beside its place first, so that a half-written file never counts."""
    target = path / item.name
    target.parent.mkdir(parents=True, exist_ok=True)
    plain, packed = target.with_name(target.name + ".tar.part"), target.with_name(target.name + ".part")
    try:
        image.save([item.image], plain)
        # mtime 0: the same image gives the same bytes, on every machine
        with plain.open("rb") as raw, gzip.GzipFile(packed, "wb", compresslevel=4, mtime=0) as zipped:
            shutil.copyfileobj(raw, zipped, CHUNK_BYTES)
        os.replace(packed, target)
    finally:
        plain.unlink(missing_ok=True)
        packed.unlink(missing_ok=True)
    return File(item.name, item.image, target.stat().st_size, bundle.sha256(target))


def _copy(source: Path, target: Path, file: File) -> None:
    """Copy, going on where an interrupted copy ended. Raises EnvironmentFault when the checksum is wrong."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(target.name + ".part")
    if shutil.disk_usage(target.parent).free < file.size_bytes * ROOM:
        raise EnvironmentFault(f"no room for {file.name}: {file.size_bytes / 1e6:.0f} MB", next_step="df -h")
    if _appended(source, part) != file.sha256:
        part.unlink()  # what was there from before may be of another version: once more from the beginning
        if _appended(source, part) != file.sha256:
            part.unlink()
            raise EnvironmentFault(f"{source} is damaged: its checksum is not the one in {bundle.INDEX}",
                                   next_step="copy the bundle onto the stick again")  # fmt: skip
    os.replace(part, target)


def _appended(source: Path, part: Path) -> str:
    """Append to `part` what it lacks of `source`; checksum of the whole."""
    have_bytes = part.stat().st_size if part.exists() else 0
    with source.open("rb") as reader, part.open("ab") as writer:
        reader.seek(have_bytes)
        shutil.copyfileobj(reader, writer, CHUNK_BYTES)
    return bundle.sha256(part)


def _kept(path: Path) -> dict[str, File]:
    """What the index of our own bundle states; a broken index means beginning anew."""
    try:
        return dict(bundle.read(path))
    except Misuse:
        return {}


def _is_good(path: Path, file: File) -> bool:
    """Size and checksum are as stated."""
    try:
        return (path / file.name).stat().st_size == file.size_bytes and bundle.sha256(path / file.name) == file.sha256
    except OSError:
        return False


def _drop_strangers(path: Path, names: set[str], files: dict[str, File]) -> None:
    """Remove images of an older version of the kit, which k3s would import at every start, and halves of Docker's."""
    for name in set(files) - names:
        (path / name).unlink(missing_ok=True)
        del files[name]
    for left in path.glob(DOCKERS_OWN):
        left.unlink(missing_ok=True)


def _done(files: dict[str, File], fetched: list[str]) -> Done:
    return Done(sorted(files), fetched, sum(file.size_bytes for file in files.values()))


def _need_docker() -> None:
    ran = run("docker", "version", "--format", "{{.Server.Version}}", timeout_s=ASK_S)
    if not ran.ok:
        raise EnvironmentFault(
            f"Docker does not work: {ran.last_words}; only clusters need what prefetch fetches",
            next_step="make preflight, or make up RUNTIME=local, which needs nothing more",
        )


def _arch() -> str:
    return ARCHES.get(platform.machine(), platform.machine())
