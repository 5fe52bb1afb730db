"""Imports go one way. The order is the design's; this test is what keeps it true."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Upper rows may import lower rows only. Names in one row are siblings that may not import each other, unless the
# row says so by standing in TOGETHER.
LABDRIVER = (
    ("cli",),
    ("commands",),
    ("verify", "selftest", "preflight", "prefetch", "rescue", "coach", "new_lab"),
    ("app", "progress", "rehearse"),
    ("run", "report"),
    ("growth", "maintenance"),
    ("score",),
    ("stack", "load", "probe", "check", "try_import"),
    ("record",),
    ("proofs", "solutions", "outbox"),
    ("lab", "settings", "lock", "markers", "join"),
    ("console", "browser", "verbs", "open_files", "whole_file"),
    ("errors",),
)
LABSVC = (
    ("cli",),
    ("modes",),
    ("testing",),
    ("host", "depsim", "live"),
    ("server", "workshop", "shop"),
    ("health", "clients", "db", "openapi"),
    ("deps",),
    ("worlds",),
    ("sim",),
    ("settings", "log", "scan", "labcode", "virtual", "fakedb", "jobs", "rest"),
    ("errors", "metrics", "traffic"),
)
PACKAGES = {
    "labdriver": (ROOT / "driver" / "labdriver", LABDRIVER),
    "labsvc": (ROOT / "services" / "labsvc", LABSVC),
}
LABS_MAY_SEE = {"labsvc.deps", "httpx", "psycopg"}
CHECKS_MAY_SEE = {*LABS_MAY_SEE, "labsvc.testing", "pytest"}


def imported(path: Path) -> Iterator[str]:
    """Every module that the file imports, wherever in it, with dots."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_of(module: str, package: str) -> str | None:
    """`labdriver.load.plan` → `load`; None for another package or the package itself."""
    pieces = module.split(".")
    return pieces[1] if len(pieces) > 1 and pieces[0] == package else None


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_go_downwards(package: str) -> None:
    """A part imports itself and parts of lower rows; every part has its row."""
    folder, rows = PACKAGES[package]
    row_of = {part: row for row, parts in enumerate(rows) for part in parts}
    wrong = []
    for path in sorted(folder.rglob("*.py")):
        part = path.relative_to(folder).parts[0].removesuffix(".py")
        if part in ("__init__", "__main__"):
            continue
        if part not in row_of:
            wrong.append(f"{path.relative_to(ROOT)}: {part} has no row in this test")
            continue
        for module in imported(path):
            other = part_of(module, package)
            if other in row_of and other != part and row_of[other] <= row_of[part]:
                wrong.append(f"{path.relative_to(ROOT)}: {part} imports {other}")
    assert sorted(set(wrong)) == []


def test_packages_never_import_each_other() -> None:
    """The driver knows the services by HTTP and manifests only."""
    for package, other in (("labdriver", "labsvc"), ("labsvc", "labdriver")):
        folder, _ = PACKAGES[package]
        found = [p for p in folder.rglob("*.py") if any(m.split(".")[0] == other for m in imported(p))]
        assert found == []


def test_labs_see_one_surface_only() -> None:
    """Lab code sees labsvc.deps, httpx, psycopg and the standard library."""
    import sys

    wrong = []
    for path in sorted([*ROOT.glob("labs/*/*.py"), *ROOT.glob("solutions/*/**/*.py")]):
        allowed = CHECKS_MAY_SEE if path.name == "test_check.py" else LABS_MAY_SEE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or "."]
            wrong += [
                f"{path.relative_to(ROOT)}: {name}"
                for name in names
                if name not in allowed and name.split(".")[0] not in (sys.stdlib_module_names | {"httpx", "psycopg"})
            ]
    assert wrong == []


@pytest.mark.parametrize(("word", "home"), [("locust", "load"), ("gevent", "load"), ("kubernetes", "stack")])
def test_heavy_libraries_have_one_home(word: str, home: str) -> None:
    """locust patches sockets at import, kubernetes is slow to import: each stays in its own folder."""
    folder, _ = PACKAGES["labdriver"]
    users = {
        path.relative_to(folder).parts[0]
        for path in folder.rglob("*.py")
        if any(module.split(".")[0] == word for module in imported(path))
    }
    assert users <= {home}
