"""The Kubernetes API, one HTTP call a function. The context is named once, here, and never a default.

Objects are the plain dicts that manifests are; the `kubernetes` client finds the cluster, its certificates and tokens.
Nothing here waits or decides.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from labdriver.errors import EnvironmentFault

Object = dict[str, Any]

MANAGER = "breakwater"  # owner of the fields that we apply
CALL_S = 10.0
CONNECT_S = 3.0
LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "kubernetes.docker.internal")  # clusters in containers
GROUPS = {
    "Namespace": "api/v1",
    "Node": "api/v1",
    "ConfigMap": "api/v1",
    "Secret": "api/v1",
    "Service": "api/v1",
    "ServiceAccount": "api/v1",
    "Pod": "api/v1",
    "Event": "api/v1",
    "Deployment": "apis/apps/v1",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2",
    "PodDisruptionBudget": "apis/policy/v1",
    "NetworkPolicy": "apis/networking.k8s.io/v1",
    "ClusterRole": "apis/rbac.authorization.k8s.io/v1",
    "ClusterRoleBinding": "apis/rbac.authorization.k8s.io/v1",
    "RoleBinding": "apis/rbac.authorization.k8s.io/v1",
    "APIService": "apis/apiregistration.k8s.io/v1",
    "PodMetrics": "apis/metrics.k8s.io/v1beta1",
}
PLURALS = {"NetworkPolicy": "networkpolicies", "PodMetrics": "pods"}
CLUSTER_WIDE = {"Namespace", "Node", "ClusterRole", "ClusterRoleBinding", "APIService"}


class ApiFault(EnvironmentFault):
    """The API answered with an error; `status` is its HTTP status, 0 when it could not be asked at all."""

    def __init__(self, message: str, *, status: int, next_step: str = "") -> None:
        super().__init__(message, next_step=next_step)
        self.status = status


class Api:
    """One cluster, by the context of a kubeconfig file."""

    def __init__(self, kubeconfig: Path | str, context: str, *, call_s: float = CALL_S) -> None:
        """Read the credentials. Raises ApiFault with status 0 when the file or the context is not there.

        `call_s`: longest time that one call may take.
        """
        from kubernetes import config  # late: a third of a second that other runtimes need not pay
        from kubernetes.client import Configuration
        from kubernetes.config.config_exception import ConfigException

        self.context = context
        self._call_s = call_s
        self.kubeconfig = str(kubeconfig)
        try:
            load: Any = config.new_client_from_config
            made: Any = Configuration()
            made.no_proxy = ",".join(filter(None, (made.no_proxy, *LOOPBACK)))  # no proxy has anything to do there
            client: Any = load(config_file=str(kubeconfig), context=context, client_configuration=made)
        except (ConfigException, OSError, ValueError, TypeError, yaml.YAMLError) as error:
            told = str(error).partition("\n")[0]
            raise ApiFault(f"no context {context} in {kubeconfig}: {told}", status=0, next_step="make up") from error
        self.configuration: Any = client.configuration
        self._pool: Any = client.rest_client.pool_manager

    @property
    def kubectl(self) -> str:
        """How a person asks this very cluster."""
        return f"KUBECONFIG={self.kubeconfig} kubectl --context {self.context}"  # it may be a list of files

    @property
    def host(self) -> str:
        """Address of the API server."""
        return str(self.configuration.host)

    def get(self, kind: str, name: str, *, namespace: str = "") -> Object | None:
        """An object, None when it does not exist."""
        try:
            return self.call("GET", path(kind, name, namespace=namespace))
        except ApiFault as fault:
            if fault.status == 404:
                return None
            raise

    def list(self, kind: str, *, namespace: str = "", **query: str) -> Object:
        """A list object: `items`, and `metadata.resourceVersion` to watch from."""
        return self.call("GET", path(kind, namespace=namespace), query)

    def apply(self, wanted: Object) -> Object:
        """Server-side apply: the fields in `wanted` become ours, others stay as they are."""
        meta = wanted["metadata"]
        where = path(wanted["kind"], meta["name"], namespace=meta.get("namespace", ""))
        query = {"fieldManager": MANAGER, "force": "true"}
        return self.call("PATCH", where, query, wanted, content_type="application/apply-patch+yaml")

    def patch(self, kind: str, name: str, change: Object, *, namespace: str = "") -> Object:
        """Merge `change` into an object."""
        where = path(kind, name, namespace=namespace)
        return self.call("PATCH", where, {}, change, content_type="application/merge-patch+json")

    def delete(self, kind: str, name: str, *, namespace: str = "") -> bool:
        """Delete an object and what belongs to it; False when it was not there."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        try:
            self.call("DELETE", path(kind, name, namespace=namespace), {}, body)
        except ApiFault as fault:
            if fault.status == 404:
                return False
            raise
        return True

    def watch(self, kind: str, *, namespace: str, since: str, timeout_s: float) -> Iterator[tuple[str, Object]]:
        """Changes after the resource version `since`, for at most `timeout_s`: (ADDED | MODIFIED | DELETED, object).

        Ends early, without a word, when the server closes the stream; the caller lists again. Raises ApiFault when the
        server does not even begin.
        """
        import urllib3

        query = {"watch": "1", "resourceVersion": since, "timeoutSeconds": str(max(1, round(timeout_s)))}
        response = self._send("GET", path(kind, namespace=namespace), query, read_s=timeout_s)
        pending = b""
        try:
            if response.status >= 400:
                raise ApiFault(f"watching {kind} in {self.context}: {response.status}", status=response.status)
            for chunk in response.stream(amt=None, decode_content=True):
                *lines, pending = (pending + chunk).split(b"\n")
                for event in map(json.loads, filter(None, lines)):
                    if event["type"] == "ERROR":  # the version is too old by now
                        return
                    yield event["type"], event["object"]
        except (urllib3.exceptions.HTTPError, ValueError):
            return
        finally:
            response.close()

    def call(
        self, method: str, where: str, query: Mapping[str, str] | None = None, body: Object | None = None, *,
        content_type: str = "application/json",
    ) -> Object:  # fmt: skip
        """One request; the JSON object of its answer. Raises ApiFault with what the API said."""
        status, data = self._answered(method, where, query or {}, body, content_type=content_type)
        try:
            told: Object = json.loads(data or b"{}")
        except ValueError:
            told = {"message": "the answer is no JSON"}
            status = max(status, 400)
        if status >= 400:
            message = str(told.get("message", "no reason given")).splitlines()[0]
            refused = f"{self.kubectl} auth can-i --list" if status in (401, 403) else "make up"
            raise ApiFault(f"{method} /{where} in {self.context}: {status} {message}", status=status, next_step=refused)
        return told

    def last_line(self, pod: str, *, namespace: str) -> str:
        """The last line that a pod's container wrote before it ended last; "" when there is none."""
        where = f"{path('Pod', pod, namespace=namespace)}/log"
        try:
            status, data = self._answered("GET", where, {"tailLines": "1", "previous": "true"})
        except ApiFault:
            return ""
        return data.decode(errors="replace").strip() if status == 200 else ""

    def _answered(
        self, method: str, where: str, query: Mapping[str, str], body: Object | None = None, *,
        content_type: str = "application/json",
    ) -> tuple[int, bytes]:  # fmt: skip
        import urllib3

        try:
            response = self._send(method, where, query, body, content_type=content_type, read_s=self._call_s)
            return response.status, response.data
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._silent(error) from error

    def _send(
        self, method: str, where: str, query: Mapping[str, str], body: Object | None = None, *,
        content_type: str = "application/json", read_s: float,
    ) -> Any:  # fmt: skip
        import urllib3

        headers = {"Accept": "application/json", "User-Agent": MANAGER}
        for one in self.configuration.auth_settings().values():
            headers[one["key"]] = one["value"]
        if body is not None:
            headers["Content-Type"] = content_type
        url = f"{self.host.rstrip('/')}/{where}"
        if query:
            from urllib.parse import urlencode

            url += "?" + urlencode(query)
        try:
            return self._pool.request(
                method,
                url,
                body=json.dumps(body) if body is not None else None,
                headers=headers,
                timeout=urllib3.Timeout(connect=CONNECT_S, read=read_s),
                retries=False,
                preload_content=False,
            )
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._silent(error) from error

    def _silent(self, error: Exception) -> ApiFault:
        return ApiFault(
            f"the API of {self.context} at {self.host} does not answer ({type(error).__name__})",
            status=0,
            next_step="make up",
        )


def path(kind: str, name: str = "", *, namespace: str = "") -> str:
    """Where an object, or the list of its kind, is found. Raises KeyError for a kind that the kit does not use."""
    plural = PLURALS.get(kind, f"{kind.lower()}s")
    scope = f"namespaces/{namespace}/" if namespace and kind not in CLUSTER_WIDE else ""
    return f"{GROUPS[kind]}/{scope}{plural}" + (f"/{name}" if name else "")
