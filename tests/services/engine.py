"""A Docker engine of the test's own: its own data, its own socket, no network bridge, ended with the test.

Only where root, `dockerd` and `debootstrap` are; anywhere else the test is skipped with what is missing. The base
image cannot be pulled on every machine, so it is made: Debian by debootstrap, imported under the Dockerfile's tag.
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

START_S, CALL_S = 30.0, 300.0


class Engine:
    """One running daemon."""

    def __init__(self, socket: Path, folder: Path) -> None:
        self.folder = folder
        self._env = {**os.environ, "DOCKER_HOST": f"unix://{socket}", "DOCKER_BUILDKIT": "1"}

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`docker ARGS`, whatever comes of it."""
        command = ["docker", *args]
        return subprocess.run(command, env=self._env, capture_output=True, text=True, timeout=CALL_S)

    def made(self, *args: str) -> str:
        """`docker ARGS`; what it prints. Fails the test with its last words."""
        done = self.run(*args)
        assert done.returncode == 0, f"docker {' '.join(args)}: {done.stderr.strip()[-600:]}"
        return done.stdout.strip()

    def make_base(self, tag: str) -> None:
        """Debian with Python, imported as `tag`. Skips the test where debootstrap cannot fetch packages."""
        try:
            root = images.tree(self.folder, "python", images.PYTHON_PACKAGES)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"debootstrap ended with {error.returncode}: no Debian mirror here?")
        images.link_python(root)
        images.imported(root, tag, 'CMD ["python3"]', env=self._env)


@contextmanager
def started() -> Iterator[Engine]:
    """An engine, or a skipped test with the reason."""
    missing = [name for name in ("dockerd", "docker", "debootstrap") if shutil.which(name) is None]
    if os.name != "posix" or os.geteuid() != 0 or missing:
        pytest.skip(f"needs root and {', '.join(missing) or 'Linux'}")
    folder = Path(tempfile.mkdtemp(prefix="bw-"))  # short: a socket's path may have 107 bytes
    log = folder / "log"
    socket = folder / "sock"
    roots = [f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}", f"--pidfile={folder / 'pid'}"]
    closed = ["--bridge=none", "--iptables=false", "--ip6tables=false"]
    with log.open("wb") as out:
        daemon = subprocess.Popen(["dockerd", *roots, *closed, "-H", f"unix://{socket}"], stdout=out, stderr=out)
    try:
        engine = Engine(socket, folder)
        until_s = time.monotonic() + START_S
        while engine.run("version").returncode:
            if daemon.poll() is not None or time.monotonic() > until_s:
                pytest.skip(f"dockerd does not run here: {log.read_text(errors='replace').strip()[-300:]}")
            time.sleep(0.1)
        yield engine
    finally:
        daemon.terminate()
        daemon.wait(timeout=START_S)
        shutil.rmtree(folder, ignore_errors=True)
