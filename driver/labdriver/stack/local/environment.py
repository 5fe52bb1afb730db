"""The environment of one process, made from its manifest alone: nothing of the user's own variables gets through.

In-cluster host names become 127.0.0.1 and the port in force; what the cluster keeps in a Secret is replaced.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from labdriver.stack.local.ports import HOST
from labdriver.stack.manifests import POD_NAME, Role

# What an interpreter needs from its surroundings, and no more; LAB_*, PYTHON* and proxies stay out.
PASSED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ", "LD_LIBRARY_PATH")
# Said by the inherited sockets instead.
DROPPED = ("LAB_HOST", "LAB_PORT")


def environment(
    role: Role, *, replica: str, root: Path, ports: Mapping[str, int], database_url: str, outer: Mapping[str, str]
) -> dict[str, str]:
    """Variables for one replica of a role. `outer` is the environment of the supervisor."""
    env = {name: outer[name] for name in PASSED if name in outer}
    env["PYTHONUNBUFFERED"] = "1"
    env["PYTHONPATH"] = str(root / "services")
    for name, value in role.env.items():
        if name not in DROPPED:
            env[name] = _here(value, ports).replace(POD_NAME, replica)
    if "LAB_DATABASE_URL" in env:
        env["LAB_DATABASE_URL"] = database_url
    if "LAB_LABS_DIR" in env:
        env["LAB_LABS_DIR"] = str(root / "labs")
    return env


def _here(value: str, ports: Mapping[str, int]) -> str:
    def translated(match: re.Match[str]) -> str:
        role = match["role"]
        return f"//{HOST}:{ports[role]}" if role in ports else match[0]

    return re.sub(r"//(?P<role>[a-z0-9-]+)(?:\.[a-z.]+)?:\d+", translated, value)
