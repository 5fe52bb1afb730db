"""The processor, and what would make Docker run images of another one."""

from labdriver.preflight.found import ADVICE, CONTAINERS, Check, Fix, Found, Machine, both
from labdriver.stack.kube.bundle import ARCHES

ROSETTA_S = 1.0


def look(machine: Machine) -> list[Found]:
    arch = ARCHES.get(machine.arch, "")
    known = Found("processor", machine.arch, bool(arch), CONTAINERS, Fix() if arch else both("make up RUNTIME=local"))
    return [known, _default_platform(machine, arch), *_rosetta(machine)]


def _default_platform(machine: Machine, arch: str) -> Found:
    given = machine.settings.outside.get("DOCKER_DEFAULT_PLATFORM", "")
    ok = not given or given.split("/")[1:2] == [arch]
    told = given or "not set"
    if not ok:
        told += f", but this machine is {arch or machine.arch}: every image would be emulated or refused"
    fix = Fix() if ok else both("unset DOCKER_DEFAULT_PLATFORM")
    return Found("DOCKER_DEFAULT_PLATFORM", told, ok, CONTAINERS, fix)


def _rosetta(machine: Machine) -> list[Found]:
    """An Intel Python on an Apple processor: works, at half the speed."""
    if machine.system != "darwin":
        return []
    translated = machine.run("sysctl", "-n", "sysctl.proc_translated", timeout_s=ROSETTA_S).out.strip() == "1"
    fix = Fix(macos="arch -arm64 brew install python@3.12 && rm -rf .venv") if translated else Fix()
    told = "this Python is an Intel one, run through Rosetta" if translated else "not in use"
    return [Found("Rosetta", told, not translated, ADVICE, fix)]


CHECK = Check(60, look)
