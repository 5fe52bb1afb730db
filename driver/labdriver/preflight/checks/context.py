"""RUNTIME=kube: is a cluster named? Whether it answers cannot be known without network."""

from labdriver.preflight.found import Check, Fix, Found, Machine, both
from labdriver.stack.kube.named import VARIABLE, contexts

KUBE = frozenset({"kube"})


def look(machine: Machine) -> list[Found]:
    asked = machine.settings.kube_context
    known = contexts(machine.settings)
    if not known and not asked:
        return []
    told = asked or f"{VARIABLE} is not set; contexts: {', '.join(known)}"
    if asked and asked not in known:
        told = f"{asked} is no context, expected one of: {', '.join(known) or '(none)'}"
    ok = asked in known
    return [Found("named cluster", told, ok, KUBE, Fix() if ok else both(f"export {VARIABLE}=<name>"))]


CHECK = Check(100, look)
