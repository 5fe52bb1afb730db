"""Waits until every rollout is complete: by watching, never by sleeping, and says why when it hangs.

list deployments and pods ──▶ complete? done ──▶ else watch deployments ──▶ a change: look again
                                                    └── nothing for a while: the pods' warning events
"""

import time
from collections.abc import Collection
from dataclasses import dataclass

from labdriver.errors import EnvironmentFault
from labdriver.stack.kube import observe
from labdriver.stack.kube.api import Api, ApiFault, Object
from labdriver.stack.kube.cluster import NAMESPACE
from labdriver.stack.runtime import Say

LOOK_S = 3.0  # longest time without a look at the pods
HANGS_S = 8.0  # without any progress: time to show events
SILENT_S = 0.5  # pause after an API that did not answer
PASSING = (0, 410, 429, 500, 503)  # statuses of an API that is starting, busy, or has forgotten what we saw last


@dataclass(frozen=True)
class Look:
    """Deployments and pods at one moment."""

    deployments: list[Object]
    pods: list[Object]
    version: str  # to watch from

    @property
    def progress(self) -> str:
        """Changes whenever something moves."""
        pods = [(p["metadata"]["name"], observe.replica(p, {}).ready, observe.replica(p, {}).why) for p in self.pods]
        return repr(sorted(pods))


def look(api: Api) -> Look:
    listed = api.list("Deployment", namespace=NAMESPACE)
    pods = api.list("Pod", namespace=NAMESPACE)["items"]
    return Look(listed["items"], pods, listed["metadata"].get("resourceVersion", ""))


def wait(api: Api, wanted: Collection[str], say: Say, *, deadline_s: float, no_image: str) -> Look:
    """Return once every Deployment in `wanted` is complete. Raises EnvironmentFault naming what is not, and why.

    `no_image`: what to type on this cluster when a node does not have an image.
    """
    begun_s = moved_s = time.monotonic()
    told: set[str] = set()
    observe.warnings(api, told)  # what is older than this wait is no news
    before = ""
    while True:
        left_s = deadline_s - (time.monotonic() - begun_s)
        try:
            now = look(api)
            if not observe.problems(now.deployments, now.pods, wanted):
                return now
            _refuse_hopeless(api, now, no_image)
            if now.progress != before:
                before, moved_s = now.progress, time.monotonic()
            elif time.monotonic() - moved_s > HANGS_S:
                for line in observe.warnings(api, told):
                    say(f"  {line}")
                moved_s = time.monotonic()
            if left_s <= 0:
                raise _late(api, now, wanted, deadline_s)
            _until_change(api, now, timeout_s=max(0.2, min(LOOK_S, left_s)))
        except ApiFault as fault:  # the API server itself may be starting again
            if left_s <= 0 or fault.status not in PASSING:
                raise
            time.sleep(SILENT_S)


def _until_change(api: Api, now: Look, *, timeout_s: float) -> None:
    for _change in api.watch("Deployment", namespace=NAMESPACE, since=now.version, timeout_s=timeout_s):
        return


def _refuse_hopeless(api: Api, now: Look, no_image: str) -> None:
    """Images that are not there and programs that keep ending: waiting helps neither."""
    lines = observe.hopeless(now.deployments, now.pods)
    if not lines:
        return
    told = observe.grouped(lines)
    if any(reason in lines[0] for reason in observe.NO_IMAGE):
        raise EnvironmentFault(f"the rollout cannot succeed: {told}", next_step=no_image)
    last = api.last_line(lines[0].partition(":")[0], namespace=NAMESPACE)
    said = f"; its last words: {last}" if last else ""
    raise EnvironmentFault(f"the rollout cannot succeed: {told}{said}", next_step=_describe(api, lines[0]))


def _late(api: Api, now: Look, wanted: Collection[str], deadline_s: float) -> EnvironmentFault:
    lines = observe.problems(now.deployments, now.pods, wanted)
    events = observe.warnings(api, set())[-3:]
    told = observe.grouped(lines) + (f" (events: {' | '.join(events)})" if events else "")
    return EnvironmentFault(
        f"the stack is not ready after {deadline_s:g} s: {told}", next_step=_describe(api, lines[0])
    )


def _describe(api: Api, line: str) -> str:
    name = line.partition(":")[0]
    kind = "pod" if "-" in name else "deployment"
    return f"{api.kubectl} -n {NAMESPACE} describe {kind} {name}"
