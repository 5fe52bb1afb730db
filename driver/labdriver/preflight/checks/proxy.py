"""Proxy variables: fine for fetching, deadly when 127.0.0.1 goes through them."""

from labdriver.preflight.found import ADVICE, Check, Fix, Found, Machine, both

LOOPBACK = {"127.0.0.1", "localhost", "*"}


def look(machine: Machine) -> list[Found]:
    outside = machine.settings.outside
    proxies = sorted(name for name in outside if name.upper() in ("HTTP_PROXY", "HTTPS_PROXY"))
    if not proxies:
        return [Found("proxy", "no proxy variables", ok=True, needed_by=ADVICE)]
    spared = {part.strip() for name in ("NO_PROXY", "no_proxy") for part in outside.get(name, "").split(",")}
    ok = bool(spared & LOOPBACK)
    told = ", ".join(proxies) + (" set, 127.0.0.1 spared" if ok else " set, and 127.0.0.1 is not in NO_PROXY")
    fix = Fix() if ok else both("export NO_PROXY=127.0.0.1,localhost,$NO_PROXY no_proxy=127.0.0.1,localhost,$no_proxy")
    return [Found("proxy", told, ok, ADVICE, fix)]


CHECK = Check(80, look)
