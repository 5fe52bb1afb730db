"""A command inside a pod of the stack, through the API: how the database is emptied without a port of its own."""

from typing import Any

from labdriver.errors import EnvironmentFault
from labdriver.stack.kube.api import Api, Object
from labdriver.stack.kube.cluster import NAMESPACE

LIMIT_S = 30.0


def execute(api: Api, pod: Object, command: list[str]) -> str:
    """What the command wrote to stdout. Raises EnvironmentFault with its last words when it failed."""
    from kubernetes.client import ApiClient, CoreV1Api  # late: only `reset` pays for it
    from kubernetes.client.exceptions import ApiException
    from kubernetes.stream import stream

    name = pod["metadata"]["name"]
    try:
        channel: Any = stream(
            CoreV1Api(ApiClient(api.configuration)).connect_get_namespaced_pod_exec,
            *(name, NAMESPACE),
            command=command,
            stderr=True,
            stdout=True,
            _preload_content=False,
        )
        channel.run_forever(timeout=LIMIT_S)
        ended, out, err = channel.returncode, channel.read_stdout(timeout=0) or "", channel.read_stderr(timeout=0) or ""
        channel.close()
    except (ApiException, OSError, ValueError) as error:
        raise EnvironmentFault(
            f"{command[0]} could not be run in {name}: {type(error).__name__}: {str(error).strip().splitlines()[0]}",
            next_step=f"{api.kubectl} -n {NAMESPACE} describe pod {name}",
        ) from error
    if ended != 0:
        last = (str(err or out).strip().splitlines() or ["it said nothing"])[-1]
        raise EnvironmentFault(f"{command[0]} in {name} ended with {ended}: {last}", next_step="make up")
    return str(out)
