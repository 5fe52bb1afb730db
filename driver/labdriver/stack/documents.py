"""YAML files as plain objects, quickly, and with file and line when one is wrong."""

from pathlib import Path
from typing import Any

import yaml

from labdriver.errors import Misuse
from labdriver.lab import LOADER


def documents(path: Path) -> list[Any]:
    """Every document of a file that is not empty. Raises Misuse."""
    try:
        return [one for one in yaml.load_all(path.read_bytes(), Loader=LOADER) if one is not None]
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Misuse(f"{path}:{line}: not YAML: {error.problem}", next_step=f"mend {path}") from error
    except (OSError, yaml.YAMLError) as error:
        raise Misuse(f"{path} cannot be read: {error}", next_step=f"git checkout {path}") from error
