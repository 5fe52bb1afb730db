"""The supervisor's side of the CPU limits: starts the throttler when the first limit is set, and again when it ends.

Launcher, Supervisor ──limit(pid, cores)──▶ Throttle ──JSON lines──▶ throttler.py
"""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from labdriver.stack.local.processes import log

END_S = 2.0
PAUSE_S = 0.2  # before it is started again


class Throttle:
    """The limits in force, by pid."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._limits: dict[int, float] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None

    def limit(self, pid: int, cores: float) -> None:
        """Keep a process to so many cores from now on."""
        self._limits[pid] = cores
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep())
        else:
            self._order(pid, cores)

    def free(self, pid: int) -> None:
        """Let a process go, because it has ended or is about to."""
        if self._limits.pop(pid, None) is not None:
            self._order(pid, None)

    async def stop(self) -> None:
        """End the throttler, which lets every process go."""
        process, keeper = self._process, self._keeper
        if keeper is not None:
            keeper.cancel()
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), END_S)
            except TimeoutError:
                process.kill()
                self._wake_all()
                await process.wait()

    async def _keep(self) -> None:
        """For ever: whatever keeps it from running, limits must hold again once it is gone."""
        while True:
            try:
                log("throttler_ended", code=await self._run())
            except OSError as error:
                log("throttler_not_started", error=str(error))
            self._wake_all()  # it could not do it itself
            await asyncio.sleep(PAUSE_S)

    async def _run(self) -> int:
        """The throttler from its start to its end, with all limits in force."""
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "labdriver.stack.local.throttler"),
            stdin=asyncio.subprocess.PIPE,
            cwd=self._root,
        )
        log("throttler_started", pid=self._process.pid)
        for pid, cores in list(self._limits.items()):
            self._order(pid, cores)
        return await self._process.wait()

    def _order(self, pid: int, cores: float | None) -> None:
        process = self._process
        if process is not None and process.stdin is not None and process.returncode is None:
            process.stdin.write(json.dumps({"pid": pid, "cores": cores}).encode() + b"\n")

    def _wake_all(self) -> None:
        for pid in self._limits:
            with suppress(OSError):
                os.kill(pid, signal.SIGCONT)
