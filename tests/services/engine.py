"""A Docker engine for tests: the one that runs, else one of the test's own, with its own data and socket.

The base image cannot be pulled on every machine; where Docker does not have it, it is made: Debian by debootstrap,
imported under the Dockerfile's tag. Where neither can be had the test is skipped with what is missing.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.k8s.standin import images

START_S, CALL_S = 120.0, 900.0


class Engine:
    """One running daemon. What a test makes in it is taken away again."""

    def __init__(self, folder: Path, host: str = "") -> None:
        """`host` as DOCKER_HOST has it, "": the daemon that this machine's own client talks to."""
        self._folder = folder
        self._docker = _client()
        self._env = {**os.environ, "DOCKER_BUILDKIT": "1"} | ({"DOCKER_HOST": host} if host else {})
        self._made: list[str] = []

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`docker ARGS`, whatever comes of it."""
        command = [self._docker, *args]
        return subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=CALL_S)

    def made(self, *args: str) -> str:
        """`docker ARGS`; what it prints. Fails the test with its last words."""
        done = self.run(*args)
        assert done.returncode == 0, f"docker {' '.join(args)}: {done.stderr.strip()[-600:]}"
        return done.stdout.strip()

    def build(self, tag: str, *args: str) -> None:
        """`docker build -t TAG ARGS`."""
        self._made.append(tag)
        self.made("build", "-t", tag, *args)

    def have_base(self, tag: str) -> None:
        """Have `tag` in Docker: as it is, or made of Debian's packages. Skips the test where they cannot be had."""
        if self.run("image", "inspect", tag).returncode == 0:
            return
        if os.geteuid() != 0 or shutil.which("debootstrap") is None:
            pytest.skip(f"Docker has no {tag}, and to make it takes root and debootstrap")
        try:
            root = images.tree(self._folder, "python", images.PYTHON_PACKAGES)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"debootstrap ended with {error.returncode}: no Debian mirror here?")
        images.link_python(root)
        self._made.append(tag)
        images.imported(root, tag, 'CMD ["python3"]', env=self._env)

    def clear(self) -> None:
        """Remove the images that were made."""
        self.run("image", "rm", "-f", *self._made)


def _client() -> str:
    """A client that can build: one with buildx, or one so old that it has it inside. Skips the test without any."""
    folders = [*os.environ["PATH"].split(os.pathsep), "/usr/bin"]  # a client without may stand before one with
    for found in dict.fromkeys(filter(None, (shutil.which("docker", path=one) for one in folders))):
        told = subprocess.run([found, "buildx", "version"], capture_output=True).returncode == 0
        version = subprocess.run([found, "--version"], capture_output=True, text=True).stdout
        if told or " version 20." in version:
            return found
    pytest.skip("no docker client that can build is installed (buildx)")


@contextmanager
def started() -> Iterator[Engine]:
    """An engine, or a skipped test with the reason."""
    folder = Path(tempfile.mkdtemp(prefix="bw-"))  # short: a socket's path may have 107 bytes
    try:
        running = Engine(folder)
        if running.run("version").returncode == 0:
            yield running
            running.clear()
        else:
            with _own(folder) as engine:
                yield engine
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _own(folder: Path) -> Iterator[Engine]:
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        pytest.skip("no Docker engine runs, and to start one takes root and dockerd")
    log, host = folder / "log", f"unix://{folder / 'sock'}"
    roots = [f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}", f"--pidfile={folder / 'pid'}"]
    # a daemon without bridge removes docker0, whoever made it
    bridge = [] if Path("/sys/class/net/docker0").exists() else ["--bridge=none"]
    command = ["dockerd", *roots, *bridge, "--iptables=false", "--ip6tables=false", "-H", host]
    with log.open("wb") as out:
        daemon = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        engine = Engine(folder, host)
        until_s = time.monotonic() + START_S
        while engine.run("version").returncode:
            if daemon.poll() is not None or time.monotonic() > until_s:
                pytest.skip(f"dockerd does not run here: {log.read_text(errors='replace').strip()[-300:]}")
            time.sleep(0.1)
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(timeout=START_S)
