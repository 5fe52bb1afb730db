"""Our image: its name says what is in it, so an old one is never taken for the edited source.

    services/Dockerfile, requirements.txt ──▶ breakwater/labsvc-base:<hash>   dependencies, rarely built
    services/labsvc/**                    ──▶ breakwater/labsvc:<hash>        one small layer more

With the base at hand the second one is built in a second and without network.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from labdriver.errors import EnvironmentFault
from labdriver.settings import Settings
from labdriver.stack.command import Ran, run
from labdriver.stack.manifests import IMAGE
from labdriver.stack.runtime import Say

BASE = f"{IMAGE}-base"
DIGITS = 12
INSTALL_S, COPY_S, ASK_S, SAVE_S = 900.0, 120.0, 10.0, 300.0
TOLD_CHARS = 300  # of a reason
NOT_SOURCE = {"__pycache__"}


@dataclass(frozen=True)
class Image:
    """The names of this checkout's image and of the dependency layer below it."""

    app: str
    base: str


def image(root: Path) -> Image:
    """The names, from the content of `services/`. Raises EnvironmentFault when the Dockerfile is gone."""
    services = root / "services"
    try:
        below = _digest(services, (services / "Dockerfile", services / "requirements.txt"))
        source = [p for p in (services / "labsvc").rglob("*") if p.is_file() and not NOT_SOURCE & set(p.parts)]
        files = [p for p in source if p.suffix != ".pyc"]
        return Image(app=f"{IMAGE}:{_digest(services, files, below)}", base=f"{BASE}:{below}")
    except OSError as error:
        raise EnvironmentFault(f"{error.filename}: {error.strerror}", next_step="git checkout services") from error


def tag(name: str) -> str:
    """`breakwater/labsvc:1f` → `1f`."""
    return name.rpartition(":")[2]


def in_docker(name: str) -> bool:
    """True when Docker has the image."""
    return run("docker", "image", "inspect", "--format", "{{.Id}}", name, timeout_s=ASK_S).ok


def build(root: Path, wanted: Image, settings: Settings, say: Say) -> None:
    """Make the image, and the layer below it when it is not here. Raises EnvironmentFault with Docker's last words."""
    if not in_docker(wanted.base):
        say("building the dependency layer (once; this downloads packages)")
        built = _build(root, "--target", "dependencies", *_secrets(settings), "-t", wanted.base, timeout_s=INSTALL_S)
        if not built.ok:
            raise EnvironmentFault(
                f"the dependency layer was not built: {_why(built)}",
                next_step="make prefetch RUNTIME=k3d on a good network, or make prefetch BUNDLE=<folder>",
            )
    say("building the image")
    built = _build(root, "--build-arg", f"BASE={wanted.base}", "-t", wanted.app, timeout_s=COPY_S)
    if not built.ok:
        raise EnvironmentFault(f"the image was not built: {_why(built)}", next_step="docker build services")


def save(names: Iterable[str], path: Path) -> None:
    """Write images to a tar file. Raises EnvironmentFault."""
    ran = run("docker", "save", "-o", str(path), *names, timeout_s=SAVE_S)
    if not ran.ok:
        raise EnvironmentFault(f"docker could not save {', '.join(names)}: {ran.last_words}", next_step="docker info")


def load(path: Path) -> None:
    """Give Docker the images of a file. Raises EnvironmentFault."""
    ran = run("docker", "load", "-i", str(path), timeout_s=SAVE_S)
    if not ran.ok:
        raise EnvironmentFault(f"docker could not load {path}: {ran.last_words}", next_step="make prefetch RUNTIME=k3d")


def remove_older(wanted: Image) -> None:
    """Take away images of earlier edits. One that is still used stays, and the layer below is another repository."""
    listed = run("docker", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", IMAGE, timeout_s=ASK_S)
    older = [name for name in listed.out.split() if name.startswith(f"{IMAGE}:") and name != wanted.app]
    if older:
        run("docker", "image", "rm", *older, timeout_s=ASK_S)


def _build(root: Path, *args: str, timeout_s: float) -> Ran:
    # buildkit is the default of every client since 23; older ones must be told. With Docker's containerd image store an
    # attestation would make an index of the image, which the import into a node does not understand.
    return run(
        *("docker", "build", "--quiet", *args, str(root / "services")),
        timeout_s=timeout_s,
        more_env={"DOCKER_BUILDKIT": "1", "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
    )


def _why(built: Ran) -> str:
    """Docker's last words without the command that it repeats, which is longer than any reason."""
    return built.last_words.rpartition("]: ")[2][-TOLD_CHARS:]


def _secrets(settings: Settings) -> list[str]:
    """What this machine's own pip was told about certificates and indexes, for the pip inside."""
    outside = settings.outside
    given = {
        "certificates": outside.get("PIP_CERT") or outside.get("SSL_CERT_FILE", ""),
        "pip": outside.get("PIP_CONFIG_FILE", ""),
    }
    secrets = [f"--secret=id={name},src={path}" for name, path in given.items() if path and Path(path).is_file()]
    proxies = [f"--build-arg={name}" for name in outside if name.upper().endswith("_PROXY")]
    return [*secrets, *proxies]


def _digest(folder: Path, files: Iterable[Path], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for path in sorted(files):
        digest.update(str(path.relative_to(folder)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:DIGITS]
