"""Images on their way: from the bundle into Docker, from Docker into the node of a k3d cluster. Nothing is pulled."""

from pathlib import Path

from labdriver.errors import EnvironmentFault
from labdriver.settings import Settings
from labdriver.stack.command import Ran, run
from labdriver.stack.kube import bundle, containers, image
from labdriver.stack.kube.image import Image
from labdriver.stack.runtime import Say

HELPER = "k3d-tools"
IMPORT_S = 120.0


def refuse_incomplete(root: Path, settings: Settings) -> None:
    """Raises EnvironmentFault listing every image that the bundle lacks."""
    path = bundle.folder(root, settings)
    missing = bundle.missing(path, bundle.wanted(root))
    if missing:
        raise EnvironmentFault(
            f"up never pulls, and {path} lacks {len(missing)} images: {', '.join(missing)}",
            next_step="make prefetch RUNTIME=k3d on a good network, make prefetch BUNDLE=<folder>,"
            " or make up RUNTIME=local, which needs none",
        )


def helper(root: Path) -> str:
    """The image of k3d's helper container, pinned by us whatever the version of k3d."""
    return next(item.image for item in bundle.wanted(root) if HELPER in item.image)


def into_docker(root: Path, settings: Settings, name: str) -> None:
    """Give Docker an image of the bundle that it does not have."""
    if not image.in_docker(name):
        item = next(item for item in bundle.wanted(root) if item.image == name)
        image.load(bundle.folder(root, settings) / item.name)


def into_node(root: Path, settings: Settings, title: str, wanted: Image, *, say: Say) -> None:
    """Have our image in the node: built, if this source was never built, and imported. Raises EnvironmentFault."""
    if containers.holds(title, wanted.app):
        return
    if not image.in_docker(wanted.app):
        _lay_base(root, settings, wanted)
        image.build(root, wanted, settings, say)
    say("handing the image to the cluster")
    ran = run("k3d", "image", "import", wanted.app, "-c", title, "-m", "direct", timeout_s=IMPORT_S)
    if not ran.ok or not containers.holds(title, wanted.app):  # k3d ends with 0 when an import has failed
        raise EnvironmentFault(f"the image was not imported: {reason(ran)}", next_step="make down up")
    image.remove_older(wanted)


def _lay_base(root: Path, settings: Settings, wanted: Image) -> None:
    """The dependency layer, if the bundle has it: then nothing is downloaded for an edit of the source."""
    path = bundle.folder(root, settings)
    held = bundle.read(path).get(bundle.BASE_FILE)
    if held and held.image == wanted.base and not image.in_docker(wanted.base):
        image.load(path / held.name)


def reason(ran: Ran) -> str:
    """k3d's last line only says that it rolled back or gave up; the first error says why."""
    lines = [line for line in (ran.err + ran.out).splitlines() if "ERRO" in line or "FATA" in line]
    return lines[0].strip() if lines else ran.last_words
