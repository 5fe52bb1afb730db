"""A command inside a pod of the stack, through the API: how the database is emptied without a port of its own."""

from typing import Any

from labdriver.errors import EnvironmentFault
from labdriver.stack.kube.api import Api, Object
from labdriver.stack.kube.cluster import NAMESPACE

LIMIT_S = 30.0


def execute(api: Api, pod: Object, command: list[str]) -> str:
    """What the command wrote to stdout. Raises EnvironmentFault with its last words when it failed."""
    from kubernetes.client.exceptions import ApiException  # late: only `reset` pays for it

    name = pod["metadata"]["name"]
    try:
        code, out, err = _run(api, name, command)
    except (ApiException, OSError, ValueError, KeyError, TypeError) as error:
        told = next(iter(str(error).strip().splitlines()), "")
        raise EnvironmentFault(
            f"{command[0]} could not be run in {name}: {type(error).__name__}: {told}",
            next_step=f"{api.kubectl} -n {NAMESPACE} describe pod {name}",
        ) from error
    if code != 0:
        last = ((err or out).strip().splitlines() or ["it said nothing"])[-1]
        raise EnvironmentFault(f"{command[0]} in {name} ended with {code}: {last}", next_step="make up")
    return out


def _run(api: Api, name: str, command: list[str]) -> tuple[int | None, str, str]:
    from kubernetes.client import ApiClient, CoreV1Api
    from kubernetes.stream import stream

    with ApiClient(api.configuration) as client:
        channel: Any = stream(
            CoreV1Api(client).connect_get_namespaced_pod_exec,
            *(name, NAMESPACE),
            command=command,
            stderr=True,
            stdout=True,
            _preload_content=False,
        )
        try:
            channel.run_forever(timeout=LIMIT_S)
            return channel.returncode, channel.read_stdout(timeout=0) or "", channel.read_stderr(timeout=0) or ""
        finally:
            channel.sock.shutdown()  # its own close() leaves the socket open once the other side has said goodbye
