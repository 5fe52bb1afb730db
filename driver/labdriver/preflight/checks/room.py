"""Disk and memory of this machine."""

import shutil

import psutil

from labdriver.preflight.found import ADVICE, CONTAINERS, Check, Fix, Found, Machine

LOCAL_GB = 1.0
CLUSTER_GB = 5.0  # images, their bundle, and the cluster's own copy
MEMORY_GB = 2.0
FREE = Fix("docker system df && du -sh ~/* | sort -h | tail", "docker system df && du -sh ~/* | sort -h | tail")


def look(machine: Machine) -> list[Found]:
    free_gb = shutil.disk_usage(machine.root).free / 2**30
    memory = psutil.virtual_memory()
    available_gb = memory.available / 2**30
    return [
        _enough("disk", free_gb, LOCAL_GB),
        _enough("disk for a cluster", free_gb, CLUSTER_GB, needed_by=CONTAINERS),
        Found(
            "memory",
            f"{available_gb:.1f} of {memory.total / 2**30:.1f} GB free",
            available_gb >= MEMORY_GB,
            ADVICE,
            Fix() if available_gb >= MEMORY_GB else Fix("top -o mem", "top -o %MEM"),
        ),
    ]


def _enough(what: str, free_gb: float, needs_gb: float, *, needed_by: frozenset[str] | None = None) -> Found:
    ok = free_gb >= needs_gb
    told = f"{free_gb:.1f} GB free" + ("" if ok else f", expected {needs_gb:g} GB")
    found = Found(what, told, ok, fix=Fix() if ok else FREE)
    return found if needed_by is None else Found(what, told, ok, needed_by, found.fix)


CHECK = Check(40, look)
