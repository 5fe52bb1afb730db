"""Line ends: a checkout with CRLF breaks markers, manifests and the Makefile."""

from labdriver.preflight.found import Check, Fix, Found, Machine, both

# Mends in place, so that nobody's edit is lost. Only texts: a picture may hold the two bytes by chance.
MEND = (
    "git config core.autocrlf false && git ls-files -z Makefile '*.py' '*.yaml' '*.md' '*.toml' '*.txt' '*Dockerfile'"
    " | xargs -0 perl -pi -e 's/\\r$//'"
)
LOOK_AT = ("Makefile", "labs/*/edit.*", "labs/*/scenario.yaml", "k8s/**/*.yaml", "services/Dockerfile")


def look(machine: Machine) -> list[Found]:
    files = [path for pattern in LOOK_AT for path in sorted(machine.root.glob(pattern)) if path.is_file()]
    spoilt = [str(path.relative_to(machine.root)) for path in files if b"\r\n" in path.read_bytes()]
    told = f"CRLF in {', '.join(spoilt[:3])}" + (" …" if spoilt[3:] else "") if spoilt else "LF"
    fix = both(MEND) if spoilt else Fix()
    return [Found("line ends", told, not spoilt, fix=fix)]


CHECK = Check(15, look)
