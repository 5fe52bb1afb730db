"""The four ports on 127.0.0.1: free, ours, or whose."""

from labdriver.errors import EnvironmentFault
from labdriver.preflight.found import Check, Fix, Found, Machine, both
from labdriver.settings import PORT_VARIABLES
from labdriver.stack.local.ports import free_near, listen_for, owner


def look(machine: Machine) -> list[Found]:
    return [_port(role, port, port in machine.ours) for role, port in machine.settings.ports.items()]


def _port(role: str, port: int, ours: bool) -> Found:
    what = f"port {port}"
    if ours:
        return Found(what, f"held by our own {role}", ok=True)
    try:
        listen_for(role, port).close()
    except EnvironmentFault:
        fix = both(f"export {PORT_VARIABLES[role]}={free_near(port)}")
        return Found(what, f"wanted by {role}, taken by {owner(port)}", ok=False, fix=fix)
    return Found(what, f"free for {role}", ok=True, fix=Fix())


CHECK = Check(50, look)
