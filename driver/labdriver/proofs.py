"""What a lab promises about its own fairness: `solutions/<lab>/proofs.yaml` and the fixes beside it.

    solutions/<lab>/starter.*        the edit file as shipped, whatever a participant has made of it since
    solutions/<lab>/edit.*           the reference fix
    solutions/<lab>/right/<name>.*   other right fixes, which must win too
    solutions/<lab>/wrong/<name>.*   wrong fixes, which must lose, each by a rule that is named

Reads files only; `verify.py` runs what it finds here.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field, ValidationError

from labdriver.errors import Misuse
from labdriver.lab import Lab, Model

LOSES_BY = 30  # points that every wrong fix must stay under the solution

Kind = Literal["starter", "solution", "right", "wrong"]


class Starter(Model):
    at_most: int = Field(ge=0, le=100)


class Solution(Model):
    at_least: int = Field(ge=0, le=100)


class Wrong(Model):
    """A wrong fix: what it does in words, and the rules one of which must take the most points."""

    does: str
    rules: tuple[str, ...] = Field(min_length=1)


class Proofs(Model):
    """A whole `proofs.yaml`."""

    scale_ratio: float = Field(default=0.6, gt=0, le=1)  # of the phases: the shortest that still proves
    starter: Starter
    solution: Solution
    right: dict[str, str] = Field(min_length=2)  # name → what it does differently
    wrong: dict[str, Wrong] = Field(min_length=1)


@dataclass(frozen=True)
class Variant:
    """One edit file to be proved."""

    kind: Kind
    name: str
    does: str
    file: Path
    rules: tuple[str, ...] = ()  # wrong fixes only


def load(solutions: Path, lab: Lab) -> tuple[Proofs, list[Variant]]:
    """Read a lab's proofs. Raises Misuse for a broken file, or when a fix is named without a file or the reverse."""
    folder = solutions / lab.id
    path = folder / "proofs.yaml"
    try:
        proofs = Proofs.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise Misuse(f"{lab.id} has no proofs: {path} cannot be read", next_step=f"write {path}") from error
    except yaml.YAMLError as error:
        raise Misuse(f"{path} is not YAML: {error}", next_step=f"mend {path}") from error
    except ValidationError as error:
        faults = "\n".join(f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise Misuse(faults, next_step=f"mend {path}") from error
    suffix = lab.edit_file.suffix
    variants = [
        Variant("starter", "starter", "the edit file as shipped", folder / f"starter{suffix}"),
        Variant("solution", "solution", "the reference fix", folder / lab.scenario.edit),
        *(Variant("right", name, does, folder / "right" / f"{name}{suffix}") for name, does in proofs.right.items()),
        *(
            Variant("wrong", name, wrong.does, folder / "wrong" / f"{name}{suffix}", wrong.rules)
            for name, wrong in proofs.wrong.items()
        ),
    ]
    _complete(lab, folder, variants)
    return proofs, variants


def _complete(lab: Lab, folder: Path, variants: list[Variant]) -> None:
    named = {v.file for v in variants}
    found = {p for kind in ("right", "wrong") for p in (folder / kind).glob(f"*{lab.edit_file.suffix}")}
    for missing in sorted({v.file for v in variants if not v.file.is_file()}):
        raise Misuse(
            f"{folder / 'proofs.yaml'} names {missing.stem}, but {missing} is missing",
            next_step=f"write {missing}",
        )
    for unnamed in sorted(found - named):
        raise Misuse(f"{unnamed} is not named in {folder / 'proofs.yaml'}", next_step="name it there, or delete it")
    known = {rule.id for rule in lab.scenario.rules}
    for variant in variants:
        unknown = sorted(set(variant.rules) - known)
        if unknown:
            raise Misuse(
                f"{folder / 'proofs.yaml'}: wrong.{variant.name} names the rule {unknown[0]!r}, expected one of: "
                f"{', '.join(sorted(known))}",
                next_step=f"mend {folder / 'proofs.yaml'}",
            )
