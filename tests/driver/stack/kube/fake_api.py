"""A Kubernetes API server as the driver meets it: HTTP, objects that are kept, and controllers that react.

Answers have the shape of those recorded from a real API server (`recorded/`, Kubernetes 1.34): a pod comes up from the
recorded pod, a Deployment gets the recorded status. Every request is kept in `requests`, so that a test can say what
was asked, and what never was.
"""

import base64
import copy
import hashlib
import json
import re
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Object = dict[str, Any]

RECORDED = Path(__file__).parent / "recorded"
PATH = re.compile(r"/(api/v1|apis/[^/]+/[^/]+)/(?:namespaces/([^/]+)/)?([a-z]+)(?:/([^/]+))?(?:/(exec|log))?$")
KINDS = {
    "namespaces": "Namespace", "nodes": "Node", "configmaps": "ConfigMap", "secrets": "Secret", "services": "Service",
    "serviceaccounts": "ServiceAccount", "pods": "Pod", "events": "Event", "deployments": "Deployment",
    "horizontalpodautoscalers": "HorizontalPodAutoscaler", "poddisruptionbudgets": "PodDisruptionBudget",
    "networkpolicies": "NetworkPolicy", "clusterroles": "ClusterRole", "clusterrolebindings": "ClusterRoleBinding",
    "rolebindings": "RoleBinding", "apiservices": "APIService",
}  # fmt: skip


def recorded(name: str) -> Any:
    """A conversation with a real API server."""
    return json.loads((RECORDED / f"{name}.json").read_text())


@dataclass
class FakeApi:
    """One cluster. `hold` names Deployments whose new pods do not get ready, with the recorded pod that they show."""

    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)  # method, path with query
    hold: dict[str, Object] = field(default_factory=dict)
    silent: bool = False  # every answer is 503, as of an API server that is starting
    refused_watches: int = 0  # so many are turned away, as by a server that is busy
    log: str = ""  # last words of a pod
    exec_code: int = 0
    commands: list[list[str]] = field(default_factory=list)  # run inside pods
    open_node_port: Callable[[str], int] = lambda _: 0  # service → the port that it is given
    version: int = 100
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _server: ThreadingHTTPServer | None = None

    def start(self) -> "FakeApi":
        self.put({"kind": "Namespace", "metadata": {"name": "kube-system", "uid": "the-first-cluster"}})
        for node in recorded("nodes")["items"]:
            self.put({**node, "kind": "Node"})
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            disable_nagle_algorithm = True  # or each answer waits 40 ms for an acknowledgement

            def log_message(self, *_args: object) -> None: ...

            def do_GET(self) -> None:
                fake.answer(self)

            do_PATCH = do_DELETE = do_POST = do_GET

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def stop(self) -> None:
        assert self._server is not None
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def kubeconfig(self, context: str) -> str:
        """A kubeconfig whose current context leads nowhere: only who names `context` gets here."""
        return json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "clusters": [
                    {"name": "fake", "cluster": {"server": self.url}},
                    {"name": "production", "cluster": {"server": "http://127.0.0.1:9"}},
                ],
                "users": [{"name": "fake", "user": {"token": "a-token"}}],
                "contexts": [
                    {"name": context, "context": {"cluster": "fake", "user": "fake"}},
                    {"name": "production", "context": {"cluster": "production", "user": "fake"}},
                ],
                "current-context": "production",
            }
        )

    def called(self, method: str, part: str) -> list[str]:
        """Paths of requests of a method that contain `part`."""
        return [path for verb, path in self.requests if verb == method and part in path]

    def get(self, kind: str, name: str, namespace: str = "breakwater") -> Object | None:
        return self.objects.get((kind, namespace, name)) or self.objects.get((kind, "", name))

    def put(self, one: Object, namespace: str = "") -> Object:
        """Keep an object as the server would."""
        with self._changed:
            self.version += 1
            meta = one["metadata"]
            meta.setdefault("uid", f"uid-{self.version}")
            meta["resourceVersion"] = str(self.version)
            self.objects[one["kind"], meta.get("namespace", namespace), meta["name"]] = one
            self._changed.notify_all()
        return one

    def forget(self, kind: str, namespace: str, name: str) -> bool:
        with self._changed:
            self.version += 1
            gone = self.objects.pop((kind, namespace, name), None)
            if gone and kind == "Deployment":
                for key in [k for k in self.objects if k[0] == "Pod" and k[2].startswith(f"{name}-")]:
                    del self.objects[key]
            if gone and kind == "Namespace":
                for key in [k for k in self.objects if k[1] == name]:
                    del self.objects[key]
            self._changed.notify_all()
        return gone is not None

    # One request

    def answer(self, wire: BaseHTTPRequestHandler) -> None:
        length = int(wire.headers.get("Content-Length") or 0)
        body = json.loads(wire.rfile.read(length)) if length else None
        self.requests.append((wire.command, wire.path))
        split = urlsplit(wire.path)
        query = {key: values[-1] for key, values in parse_qs(split.query).items()}
        match = PATH.match(split.path)
        if self.silent:
            return self._send(wire, 503, _status(503, "the server is currently unable to handle the request"))
        if wire.headers.get("Authorization") != "Bearer a-token" and "Upgrade" not in wire.headers:
            return self._send(wire, 401, _status(401, "Unauthorized"))
        if match is None:
            return self._send(wire, 404, _status(404, f"the server could not find {split.path}"))
        _, namespace, plural, name, verb = match.groups()
        if verb == "log":
            return self._send(wire, 200, self.log)
        if verb == "exec":
            return self._exec(wire, parse_qs(split.query)["command"])
        if split.path.startswith("/apis/metrics.k8s.io"):
            return self._send(wire, 200, recorded("pod_metrics"))
        kind = KINDS[plural]
        namespace = "" if kind in ("Namespace", "Node") else namespace or ""
        if query.get("watch") and self.refused_watches:
            self.refused_watches -= 1
            return self._send(wire, 429, _status(429, "too many requests, please try again later"))
        if query.get("watch"):
            return self._watch(wire, kind, namespace, int(query["resourceVersion"]), float(query["timeoutSeconds"]))
        if wire.command == "PATCH":
            return self._patched(wire, kind, namespace, name, body or {})
        if wire.command == "DELETE":
            gone = self.forget(kind, namespace, name)
            return self._send(wire, 200 if gone else 404, _status(200 if gone else 404, "not found"))
        if name:
            found = self.objects.get((kind, namespace, name))
            return self._send(wire, 200 if found else 404, found or _status(404, f'{plural} "{name}" not found'))
        items = [one for one in self._listed(kind, namespace) if _selected(one, query.get("labelSelector"))]
        answer = {"kind": f"{kind}List", "metadata": {"resourceVersion": str(self.version)}, "items": items}
        return self._send(wire, 200, answer)

    def _listed(self, kind: str, namespace: str) -> list[Object]:
        with self._changed:
            return [copy.deepcopy(one) for key, one in self.objects.items() if key[0] == kind and key[1] == namespace]

    def _patched(self, wire: BaseHTTPRequestHandler, kind: str, namespace: str, name: str, body: Object) -> None:
        if wire.headers["Content-Type"] != "application/apply-patch+yaml" or "fieldManager=" not in wire.path:
            return self._send(wire, 415, _status(415, "only server-side apply is expected here"))
        before = self.objects.get((kind, namespace, name))
        after = copy.deepcopy(body)
        if kind == "Service":
            for number, port in enumerate(after["spec"]["ports"]):
                was = before["spec"]["ports"][number].get("nodePort") if before else None
                if after["spec"].get("type") == "NodePort" and "nodePort" not in port:
                    port["nodePort"] = was or self.open_node_port(name)
        if before and _plain(before) == _plain(after):
            return self._send(wire, 200, before)
        after["metadata"]["generation"] = (before["metadata"].get("generation", 1) if before else 0) + 1
        if before:
            after["metadata"]["uid"] = before["metadata"]["uid"]
        self.put(after, namespace)
        if kind == "Deployment" and namespace == "breakwater":
            self.roll(after, restart=before is None or before["spec"]["template"] != after["spec"]["template"])
        self._send(wire, 200, self.objects[kind, namespace, name])

    def roll(self, deployment: Object, *, restart: bool = True) -> None:
        """What the controllers do with a Deployment: status and pods, as recorded. Whoever lists sees all of it."""
        with self._changed:
            self._roll(deployment, restart=restart)

    def _roll(self, deployment: Object, *, restart: bool) -> None:
        name = deployment["metadata"]["name"]
        wanted = deployment["spec"].get("replicas", 1)
        held = self.hold.get(name)
        old = [key for key in self.objects if key[0] == "Pod" and key[2].startswith(f"{name}-")]
        if restart:
            for key in [] if held and old else old:
                del self.objects[key]
            source = next(p for p in recorded("pods")["items"] if p["metadata"]["labels"][ROLE] in (name, "api"))
            for number in range(wanted):
                pod = copy.deepcopy(held or source)
                self.version += 1
                pod["kind"] = "Pod"
                pod["metadata"]["name"] = f"{name}-{self.version}-{number}"
                pod["metadata"]["labels"][ROLE] = name
                template = copy.deepcopy(deployment["spec"]["template"])
                pod["metadata"]["annotations"] = template["metadata"].get("annotations", {})
                pod["spec"]["containers"] = template["spec"]["containers"]
                self.put(pod)
        ready = 0 if held else wanted
        deployment["status"] = {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": wanted + (len(old) if held and old else 0),
            "updatedReplicas": wanted,
            "readyReplicas": ready,
            "availableReplicas": ready,
        }
        self.put(deployment, "breakwater")

    def release(self, name: str) -> None:
        """Let the pods of a held Deployment come up."""
        del self.hold[name]
        deployment = self.get("Deployment", name)
        assert deployment is not None
        self.roll(deployment)

    def _watch(self, wire: BaseHTTPRequestHandler, kind: str, namespace: str, since: int, timeout_s: float) -> None:
        wire.send_response(200)
        wire.send_header("Content-Type", "application/json")
        wire.send_header("Transfer-Encoding", "chunked")
        wire.end_headers()
        with self._changed:
            self._changed.wait_for(lambda: bool(self._newer(kind, namespace, since)), timeout=min(timeout_s, 0.5))
            events = [{"type": "MODIFIED", "object": one} for one in self._newer(kind, namespace, since)]
        for event in events:
            line = json.dumps(event).encode() + b"\n"
            wire.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        wire.wfile.write(b"0\r\n\r\n")

    def _newer(self, kind: str, namespace: str, since: int) -> list[Object]:
        found = [one for key, one in self.objects.items() if key[:2] == (kind, namespace)]
        return [one for one in found if int(one["metadata"]["resourceVersion"]) > since]

    def _exec(self, wire: BaseHTTPRequestHandler, command: list[str]) -> None:
        """A command in a pod: a web socket with numbered channels, 3 carries the result."""
        self.commands.append(command)
        key = wire.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
        wire.send_response(101)
        wire.send_header("Upgrade", "websocket")
        wire.send_header("Connection", "Upgrade")
        wire.send_header("Sec-WebSocket-Protocol", "v4.channel.k8s.io")
        wire.send_header("Sec-WebSocket-Accept", base64.b64encode(hashlib.sha1(key.encode()).digest()).decode())
        wire.end_headers()
        result: Object = {"status": "Success"}
        if self.exec_code:
            cause = {"reason": "ExitCode", "message": str(self.exec_code)}
            result = {"status": "Failure", "details": {"causes": [cause]}}
            wire.wfile.write(_frame(b"\x02psql: the server is shutting down"))
        wire.wfile.write(_frame(b"\x03" + json.dumps(result).encode()) + _frame(b"", opcode=8))
        wire.close_connection = True

    def _send(self, wire: BaseHTTPRequestHandler, status: int, answer: Object | str) -> None:
        data = (answer if isinstance(answer, str) else json.dumps(answer) + "\n").encode()
        wire.send_response(status)
        wire.send_header("Content-Type", "application/json")
        wire.send_header("Content-Length", str(len(data)))
        wire.end_headers()
        wire.wfile.write(data)


ROLE = "app.kubernetes.io/component"


def troubled(role: str) -> Object:
    """The recorded pod of a role that did not get ready: worker: no image, generator: crashes, depsim: no room."""
    pods = [p for p in recorded("pods_in_trouble")["items"] if p["metadata"]["labels"][ROLE] == role]
    return next(
        p for p in pods if not all(s["ready"] for s in p["status"].get("containerStatuses", [{"ready": False}]))
    )


def _plain(one: Object) -> Object:
    """An object without what the server keeps of its own."""
    meta = {k: v for k, v in one["metadata"].items() if k not in ("uid", "resourceVersion", "generation")}
    return {**{k: v for k, v in one.items() if k != "status"}, "metadata": meta}


def _selected(one: Object, selector: str | None) -> bool:
    labels = one["metadata"].get("labels", {})
    if not selector:
        return True
    key, _, value = selector.partition("=")
    return key in labels and value in ("", labels[key])


def _status(code: int, message: str) -> Object:
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": code}


def _frame(payload: bytes, *, opcode: int = 2) -> bytes:
    head = bytes([0x80 | opcode])
    size = len(payload)
    return head + (bytes([size]) if size < 126 else b"\x7e" + struct.pack(">H", size)) + payload
