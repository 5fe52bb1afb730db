"""The readiness code: one word that a participant sends and a facilitator reads without tools.

    k3d+local/8c/16g/macos-arm64/3f2a        what works, cores, memory, system, check digits
    local/2c/8g/linux-x86_64/no-Docker/91bc  …and what keeps k3d from working

The check digits catch typing errors; they are no secret.
"""

import hashlib
import os
import re

import psutil

from labdriver.preflight import Report

SYSTEMS = {"darwin": "macos", "linux": "linux"}
DIGITS = 4


def code(report: Report, *, system: str, arch: str) -> str:
    """The code of a machine. Nothing works: it begins with `none`."""
    parts = [
        "+".join(report.works) or "none",
        f"{os.cpu_count() or 0}c",
        f"{psutil.virtual_memory().total / 2**30:.0f}g",
        f"{SYSTEMS.get(system, system)}-{arch}",
    ]
    lacking = [_word(one.what) for one in report.missing("k3d") + report.missing("local")]
    if lacking:
        parts.append("no-" + "+".join(dict.fromkeys(lacking)))
    return "/".join([*parts, _digits("/".join(parts))])


def intact(text: str) -> bool:
    """True when nobody mistyped the code."""
    body, _, digits = text.strip().rpartition("/")
    return bool(body) and digits == _digits(body)


def _word(what: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", what)


def _digits(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:DIGITS]
