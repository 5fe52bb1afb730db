"""Kernel limits that stop a cluster on Linux with messages nobody understands."""

from pathlib import Path

from labdriver.preflight.found import CONTAINERS, Check, Fix, Found, Machine

NEEDS = {"max_user_instances": 128, "max_user_watches": 65_536}
FOLDER = Path("/proc/sys/fs/inotify")


def look(machine: Machine) -> list[Found]:
    """Docker Desktop's own kernel has them high enough; only Linux is asked."""
    if machine.system != "linux":
        return []
    return [_limit(name, needs) for name, needs in NEEDS.items()]


def _limit(name: str, needs: int) -> Found:
    what = f"inotify {name}"
    try:
        value = int((FOLDER / name).read_text())
    except (OSError, ValueError):
        return Found(what, "not known", ok=True, needed_by=CONTAINERS)
    ok = value >= needs
    told = f"{value}" if ok else f"{value}, expected {needs}"
    return Found(
        what, told, ok, CONTAINERS, Fix() if ok else Fix(debian=f"sudo sysctl -w fs.inotify.{name}={needs * 2}")
    )


CHECK = Check(70, look)
