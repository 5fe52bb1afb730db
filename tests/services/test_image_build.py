"""The image, built by a real Docker engine from the real Dockerfile: small, nobody's user, read-only, offline edits."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.k8s.standin import images
from tests.services import engine as engines
from tests.services.engine import Engine

pytestmark = pytest.mark.engine

SERVICES = Path(__file__).resolve().parents[2] / "services"
BASE, APP = "breakwater/labsvc-base:test", "breakwater/labsvc:test"
LIMIT_MB = 200
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")  # of this machine: its package index may be behind them
HARDENED = ("--rm", "--network", "none", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")
ASK = """
import http.client, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-m", "labsvc.cli", "depsim"])
until_s = time.monotonic() + 120
while True:
    try:
        wire = http.client.HTTPConnection("127.0.0.1", 8083, timeout=30)
        wire.request("GET", "/readyz")
        answer = wire.getresponse()
        print(answer.status, answer.read().decode())
        break
    except OSError:
        if child.poll() is not None or time.monotonic() > until_s:
            sys.exit("depsim does not answer")
        time.sleep(0.1)
child.terminate()
"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """With the dependency layer built, once for all tests of this file."""
    with engines.started() as one:
        one.have_base(images.PYTHON)
        given = [f"--secret=id=certificates,src={CERTIFICATES}"] if CERTIFICATES.is_file() else []
        one.build(BASE, "--network", "host", *given, "--target", "dependencies", str(SERVICES))
        yield one


def built(engine: Engine, source: Path) -> str:
    """The image of a source upon the dependency layer, built without network."""
    engine.build(APP, "--network", "none", "--build-arg", f"BASE={BASE}", str(source))
    return APP


def test_image_is_small_and_serves_as_nobody_on_a_read_only_disk(engine: Engine) -> None:
    """At most 200 MB unpacked; depsim starts and is ready as in a hardened pod."""
    name = built(engine, SERVICES)
    told = json.loads(engine.made("image", "inspect", name))[0]
    assert told["Size"] / 1e6 <= LIMIT_MB
    assert told["Config"]["User"] == "10001:10001"
    answer = engine.made("run", *HARDENED, "--entrypoint", "python3", name, "-c", ASK)
    status, _, page = answer.splitlines()[-1].partition(" ")
    assert status == "200"
    assert json.loads(page)["ready"] is True


def test_edit_of_the_source_is_one_small_layer_built_offline(engine: Engine, tmp_path: Path) -> None:
    """The layers below are the same ones; what is downloaded stays downloaded."""
    before = json.loads(engine.made("image", "inspect", built(engine, SERVICES)))[0]["RootFS"]["Layers"]
    source = tmp_path / "services"
    shutil.copytree(SERVICES, source, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "labsvc" / "edited.py").write_text("EDITED = True\n")
    after = json.loads(engine.made("image", "inspect", built(engine, source)))[0]["RootFS"]["Layers"]
    assert after[:-1] == before[:-1]
    assert after[-1] != before[-1]
    asked = ("--entrypoint", "python3", APP, "-c", "import labsvc.edited as e; print(e.EDITED)")
    said = engine.made("run", *HARDENED, *asked)
    assert said == "True"
