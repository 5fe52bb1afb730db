"""The Python that runs us."""

import platform
import sys

from labdriver.preflight.found import Check, Fix, Found, Machine

NEEDS = (3, 11)


def look(machine: Machine) -> list[Found]:
    ok = sys.version_info >= NEEDS
    fix = Fix("brew install python@3.12", "sudo apt-get install -y python3 python3-venv")
    return [Found("Python", platform.python_version(), ok, fix=Fix() if ok else fix)]


CHECK = Check(10, look)
