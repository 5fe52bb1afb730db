#!/usr/bin/env python3
"""runc for a Docker daemon that itself lacks a capability: asks for no more than the daemon could give.

`dockerd --add-runtime narrow=<this file> --default-runtime narrow`. A privileged container asks for every capability;
on a machine whose root lacks CAP_SYS_RESOURCE runc would refuse it. Nothing is gained by this, something is asked less.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

LACKING = {"CAP_SYS_RESOURCE"}


def narrow(process: dict[str, Any]) -> None:
    """Leave what is lacking out of every set of a process."""
    capabilities = process.get("capabilities") or {}
    for kind, names in capabilities.items():
        capabilities[kind] = [name for name in names if name not in LACKING]


def main() -> None:
    args = sys.argv[1:]
    if "create" in args and "--bundle" in args:
        path = Path(args[args.index("--bundle") + 1]) / "config.json"
        config = json.loads(path.read_text())
        narrow(config["process"])
        path.write_text(json.dumps(config))
    elif "exec" in args and "--process" in args:
        path = Path(args[args.index("--process") + 1])
        process = json.loads(path.read_text())
        narrow(process)
        path.write_text(json.dumps(process))
    os.execvp("runc", ["runc", *args])


if __name__ == "__main__":
    main()
