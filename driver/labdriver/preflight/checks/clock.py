"""The clock, as far as it can be judged without network: it cannot be earlier than the files of the checkout."""

import time
from datetime import UTC, datetime

from labdriver.preflight.found import ADVICE, Check, Fix, Found, Machine

SLACK_S = 120.0


def look(machine: Machine) -> list[Found]:
    newest_s = max((p.stat().st_mtime for p in machine.root.glob("*") if p.is_file()), default=0.0)
    ok = time.time() + SLACK_S >= newest_s
    told = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC") + ("" if ok else ", earlier than files of this checkout")
    fix = Fix() if ok else Fix("sudo sntp -sS time.apple.com", "sudo timedatectl set-ntp true")
    return [Found("clock", told, ok, ADVICE, fix)]


CHECK = Check(90, look)
