"""The autoscale lab on the real local stack: edit.yaml is applied, replicas grow and go, limits hold."""

import http.client
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from tests.driver.stack.conftest import REPO, Checkout, until

from labdriver.errors import Misuse
from labdriver.stack.checksum import lab_code
from labdriver.stack.local import identity
from labdriver.stack.local.runtime import LocalRuntime
from labdriver.stack.runtime import ScaledTarget

pytestmark = pytest.mark.stack

SOLUTION = (REPO / "solutions" / "autoscale" / "edit.yaml").read_text()
STARTER = (REPO / "solutions" / "autoscale" / "starter.yaml").read_text()
ESTIMATE = "/floorplans/oak-65/estimate"


@pytest.fixture
def edit(checkout: Checkout) -> Path:
    """The edit.yaml of a stack that is up and serves the starter."""
    folder = checkout.root / "labs" / "autoscale"
    shutil.copytree(REPO / "labs" / "autoscale", folder, dirs_exist_ok=True)
    path = folder / "edit.yaml"
    path.write_text(STARTER)
    checkout.runtime.up(print)
    checkout.runtime.dev(print)
    checkout.runtime.wait_ready()
    return path


def served(path: Path, text: str, runtime: LocalRuntime) -> ScaledTarget:
    """Save an edit, bring it into service, and see what scales."""
    path.write_text(text)
    runtime.dev(print)
    runtime.wait_ready()
    return target(runtime)


def target(runtime: LocalRuntime) -> ScaledTarget:
    [found] = runtime.scaling()
    return found


@contextmanager
def crowd(checkout: Checkout, size: int = 8) -> Iterator[None]:
    """So many people ask for estimates, again and again."""
    gone = threading.Event()

    def ask() -> None:
        while not gone.is_set():
            with suppress(OSError, ValueError, http.client.HTTPException):
                checkout.ask("GET", ESTIMATE)

    people = [threading.Thread(target=ask, daemon=True) for _ in range(size)]
    for person in people:
        person.start()
    try:
        yield
    finally:
        gone.set()
        for person in people:
            person.join()


def estimators(checkout: Checkout) -> list[psutil.Process]:
    return checkout.running("estimator")


def stopped(process: psutil.Process) -> bool:
    """Held by the limit right now; a process that has just ended is not."""
    with suppress(psutil.Error):
        return bool(process.status() == psutil.STATUS_STOPPED)
    return False


def test_the_api_passes_on_to_the_estimator(checkout: Checkout, edit: Path) -> None:
    """One address for users; the starter scales nothing and asks for nothing."""
    told = checkout.ask("GET", ESTIMATE)
    assert (told["floorplan"], told["cost_cents"] > 0, told["took_ms"] >= told["pace_ms"] == 100) == (
        "oak-65",
        True,
        True,
    )
    found = target(checkout.runtime)
    assert (found.role, found.wanted, found.ready, found.max_replicas) == ("estimator", 1, 1, None)
    assert (found.request_cores, found.limit_cores, found.conditions) == (None, None, ())
    until(lambda: target(checkout.runtime).used_cores)


def test_replicas_grow_under_load_and_go_back(checkout: Checkout, edit: Path) -> None:
    """By the autoscaler of edit.yaml; a new run starts with the replicas of the manifest."""
    found = served(edit, SOLUTION, checkout.runtime)
    assert (found.wanted, found.min_replicas, found.max_replicas) == (1, 1, 6)
    assert (found.request_cores, found.limit_cores) == (0.15, 0.25)
    assert checkout.runtime.served_code()["autoscale"] == lab_code(edit.parent, "edit.yaml")
    with crowd(checkout):
        until(lambda: target(checkout.runtime).ready >= 2, deadline_s=120)
        until(lambda: len(estimators(checkout)) >= 2)
    checkout.runtime.unscale(print)
    status = checkout.runtime.wait_ready()
    assert [r.name for r in status.replicas if r.role == "estimator"] == ["estimator-1"]
    assert target(checkout.runtime).wanted == 1
    until(lambda: len(estimators(checkout)) == 1)


def test_dev_goes_back_to_the_manifest_too(checkout: Checkout, edit: Path) -> None:
    """More replicas from one edit do not outlive it."""
    assert served(edit, SOLUTION.replace("minReplicas: 1", "minReplicas: 3"), checkout.runtime).wanted == 3
    until(lambda: target(checkout.runtime).ready == 3)
    assert served(edit, STARTER, checkout.runtime).wanted == 1
    until(lambda: len(estimators(checkout)) == 1)


def test_a_missing_request_is_told_as_an_autoscaler_tells_it(checkout: Checkout, edit: Path) -> None:
    """And nothing is scaled."""
    text = SOLUTION.replace("requests: {cpu: 150m, ", "requests: {").replace("limits: {cpu: 250m, ", "limits: {")
    served(edit, text, checkout.runtime)
    wanted = "missing request for cpu in container estimator of Pod estimator-1"
    until(lambda: any(wanted in condition for condition in target(checkout.runtime).conditions))
    assert target(checkout.runtime).wanted == 1


def test_a_limit_holds(checkout: Checkout, edit: Path) -> None:
    """A tenth of a core is what it gets, however many ask; without a limit it takes the fifth of its licence.

    A throttler that gets no turn lets it run on for a while, and takes that off what follows.
    """
    text = STARTER.replace("limits: {", "limits: {cpu: 100m, ")
    served(edit, text, checkout.runtime)
    with crowd(checkout, 4):
        until(lambda: any(stopped(p) for p in estimators(checkout)))
        until(lambda: 0.05 < max(target(checkout.runtime).used_cores or (0.0,)) <= 0.16)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("spec:\n  replicas", "spec:\n\treplicas", r"labs/autoscale/edit\.yaml:10: not YAML"),
        ("{name: estimator, namespace", "{name: api, namespace", r"edit\.yaml:7: metadata\.name is 'api'"),
        ("namespace: breakwater", "namespace: default", r"edit\.yaml:7: metadata\.namespace: another namespace"),
    ],
)
def test_dev_refuses_a_bad_edit_and_changes_nothing(
    checkout: Checkout, edit: Path, old: str, new: str, told: str
) -> None:
    """File and line; the processes of before go on."""
    before = {r.name: r.pid for r in checkout.runtime.status().replicas}
    edit.write_text(SOLUTION.replace(old, new, 1))
    with pytest.raises(Misuse, match=told):
        checkout.runtime.dev(print)
    assert {r.name: r.pid for r in checkout.runtime.status().replicas} == before
    assert target(checkout.runtime).max_replicas is None


def test_a_bad_edit_keeps_nobody_else_from_coming_up(checkout: Checkout, edit: Path) -> None:
    """The estimator starts without it; `dev` says what is wrong."""
    checkout.runtime.down(print)
    edit.write_text("spec: [")
    assert checkout.runtime.up(print).changed
    assert checkout.ask("GET", "/probe/who")["answer"] == 1
    with pytest.raises(Misuse, match=r"edit\.yaml:1: not YAML"):
        checkout.runtime.dev(print)


def test_none_at_all_and_back(checkout: Checkout, edit: Path) -> None:
    """Scaled to nothing, requests are refused honestly; the next edit brings it back."""
    assert served(edit, STARTER.replace("replicas: 1", "replicas: 0"), checkout.runtime).ready == 0
    assert checkout.ask("GET", ESTIMATE) == {"error": "no estimator took the request"}
    assert checkout.runtime.dev(print).changed is False
    assert served(edit, STARTER, checkout.runtime).wanted == 1
    until(lambda: "cost_cents" in checkout.ask("GET", ESTIMATE))


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_nobody_stays_stopped_when_the_supervisor_goes(checkout: Checkout, edit: Path, sign: signal.Signals) -> None:
    """The processes end with it, those in mid-quota too."""
    served(edit, STARTER.replace("limits: {", "limits: {cpu: 100m, "), checkout.runtime)
    state = checkout.state()
    kept = [state.supervisor, *(r.identity for r in state.processes if r.identity and r.role != "postgres")]
    with crowd(checkout, 4):
        until(lambda: any(stopped(p) for p in estimators(checkout)))
        psutil.Process(state.pid).send_signal(sign)
        until(lambda: not any(identity.process(one) for one in kept))
    assert checkout.runtime.up(print).changed
    assert checkout.runtime.status().ready
