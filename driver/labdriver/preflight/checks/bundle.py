"""What `prefetch` has brought: is it all there, so that `up` needs no network?"""

from labdriver.preflight.found import ADVICE, Check, Fix, Found, Machine, both
from labdriver.stack.kube import bundle


def look(machine: Machine) -> list[Found]:
    missing = bundle.missing(bundle.folder(machine.root, machine.settings), bundle.wanted(machine.root))
    ok = not missing
    told = (
        "complete"
        if ok
        else f"{len(missing)} files are missing: {', '.join(missing[:3])}" + (" …" * (len(missing) > 3))
    )
    return [Found("bundle", told, ok, ADVICE, Fix() if ok else both("make prefetch RUNTIME=k3d"))]


CHECK = Check(35, look)
