"""Times the WebSocket fan-out: 30 events a second in 100 ms batches to 1,000 local clients, and one stalled reader.

Server and clients are processes of their own, the clients all in one, so the clients' own work is in the latency.
Latency is from the moment a batch is made to the moment a client has read it.
"""

import asyncio
import multiprocessing
import os
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil
from starlette.applications import Starlette

from bench.kit import Bench, Result, Say

CLIENTS = 1000
EVENTS_PER_BATCH = 3  # 30 a second
BATCH_S = 0.1
LOAD_S = 10.0
ROUNDS = 3
HEALTHY = 20  # beside the stalled reader
STALL_LOAD_S = 14.0
STALL_BATCH_S = 0.002  # 500 frames a second: the kernel's buffers fill within seconds
START_LIMIT_S = 20.0
SETTLE_S = 2.0
PADDING = "x" * 110  # makes an event of about 200 bytes

REQUEST = b"GET /ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
REQUEST += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
SUBSCRIBE = b'{"type":"subscribe","topics":["bench.*"]}'


@dataclass(frozen=True)
class Open:
    """A door that lets everybody in."""

    def refusal(self, caller: Any) -> tuple[int, str]:
        return 0, ""

    def is_facilitator(self, token: str) -> bool:
        return False


def serve(port: Any, orders: Any, batch_s: float) -> None:
    """The server process: publishes when told `go`, tells its memory and its counts when asked."""
    import uvloop

    uvloop.run(_serve(port, orders, batch_s))


async def _serve(port: Any, orders: Any, batch_s: float) -> None:
    from labsvc import log
    from labsvc.deps import RealClock
    from labsvc.health import Service
    from labsvc.live.hub import Hub
    from labsvc.live.wire import Sockets
    from labsvc.metrics import Metrics
    from labsvc.server import serve as run_server
    from labsvc.settings import Settings

    log.configure("warning", role="bench")
    hub = Hub(RealClock())
    sockets = Sockets(hub, Open(), time.monotonic)
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    port.value = listener.getsockname()[1]
    service = Service("bench", "bench", Starlette(), Metrics(), websocket=sockets.protocol)
    settings = Settings(listen_fds=(os.dup(listener.fileno()),))
    served = asyncio.create_task(run_server(service, settings, default_port=0))
    publishing: asyncio.Task[None] | None = None
    while True:
        order = await asyncio.to_thread(orders.recv)
        if order == "go":
            publishing = asyncio.create_task(_publish(hub, batch_s))
        elif order == "tell":
            cpu = resource.getrusage(resource.RUSAGE_SELF)
            orders.send((psutil.Process().memory_info().rss, cpu.ru_utime + cpu.ru_stime, hub.figures()))
        elif order == "hush" and publishing:
            publishing.cancel()
        else:
            break
    served.cancel()
    os._exit(0)


async def _publish(hub: Any, batch_s: float) -> None:
    number, due_s = 0, time.monotonic()
    while True:
        for _ in range(EVENTS_PER_BATCH):
            number += 1
            hub.publish("bench.tick", {"n": number, "sent_s": time.monotonic(), "padding": PADDING})
        hub.flush()
        due_s += batch_s
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))


class Client(asyncio.Protocol):
    """Notes when bytes came; what they are is read afterwards, so that reading delays no other client."""

    def __init__(self) -> None:
        self.chunks: list[tuple[float, bytes]] = []
        self._shaken = False

    def connection_made(self, transport: Any) -> None:
        transport.write(REQUEST % b"bench")
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.chunks.append((time.monotonic(), data))
        if not self._shaken:
            self._shaken = True
            self.transport.write(bytes((0x81, 0x80 | len(SUBSCRIBE))) + b"\0\0\0\0" + SUBSCRIBE)

    def events(self) -> Iterator[tuple[float, float]]:
        """Of every event: when it was sent and when it came."""
        for came_s, data in self.chunks:
            for part in data.split(b'"sent_s":')[1:]:
                yield float(part[: part.index(b",")]), came_s


async def _listen(port: int, count: int, orders: Any, load_s: float, *, stalled: bool) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    orders.send("tell")
    before = orders.recv()
    clients = [(await loop.create_connection(Client, "127.0.0.1", port))[1] for _ in range(count)]
    await asyncio.sleep(SETTLE_S)
    orders.send("tell")
    connected = orders.recv()
    orders.send("go")
    await asyncio.sleep(SETTLE_S)  # every buffer and cache that an idle connection does not have yet
    orders.send("tell")
    warm = orders.recv()
    lazy = _stalled(port) if stalled else None
    begun_s = time.monotonic()
    await asyncio.sleep(load_s)
    took_s = time.monotonic() - begun_s
    orders.send("tell")
    after = orders.recv()
    orders.send("hush")
    await asyncio.sleep(0.5)
    came = [list(client.events()) for client in clients]
    latencies_ms = sorted(1000 * (got - sent) for each in came for sent, got in each if sent > begun_s)
    whole = [len(each) for each in came]
    if lazy:
        lazy.close()
    return {
        "clients": count,
        "kb_per_client": round((warm[0] - before[0]) / 1024 / count, 1),
        "connected_kb": round((connected[0] - before[0]) / 1024 / count, 1),
        "p50_ms": round(latencies_ms[len(latencies_ms) // 2], 1),
        "p99_ms": round(latencies_ms[int(len(latencies_ms) * 0.99)], 1),
        "max_ms": round(latencies_ms[-1], 1),
        "behind": sum(max(whole) - each for each in whole),
        "dropped": after[2]["dropped"],
        "server_cores": round((after[1] - warm[1]) / took_s, 2),
        "grown_kb_under_load": round((after[0] - warm[0]) / 1024),
    }


def _stalled(port: int) -> socket.socket:
    lazy = socket.socket()
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.connect(("127.0.0.1", port))
    lazy.sendall(REQUEST % b"lazy" + bytes((0x81, 0x80 | len(SUBSCRIBE))) + b"\0\0\0\0" + SUBSCRIBE)
    return lazy


def listen(port: int, count: int, orders: Any, load_s: float, stalled: bool, answers: Any) -> None:
    """The clients' process."""
    import uvloop

    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    answers.send(uvloop.run(_listen(port, count, orders, load_s, stalled=stalled)))


def scene(count: int, load_s: float, batch_s: float, *, stalled: bool = False) -> dict[str, Any]:
    """One server, one process of clients, one result."""
    context = multiprocessing.get_context("spawn")
    port = context.Value("i", 0)
    ours, theirs = context.Pipe()
    got, give = context.Pipe(duplex=False)
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    server = context.Process(target=serve, args=(port, theirs, batch_s))
    server.start()
    until_s = time.monotonic() + START_LIMIT_S
    while not port.value and time.monotonic() < until_s:
        time.sleep(0.02)
    clients = context.Process(target=listen, args=(port.value, count, ours, load_s, stalled, give))
    clients.start()
    answer: dict[str, Any] = got.recv()
    clients.join()
    ours.send("end")
    server.join()
    return answer


def run(say: Say) -> Iterator[Result]:
    """All figures of the fan-out."""
    say(f"{CLIENTS} clients, {LOAD_S:g} s, three rounds")
    rounds = [scene(CLIENTS, LOAD_S, BATCH_S) for _ in range(ROUNDS)]
    middle = sorted(rounds, key=lambda r: r["p99_ms"])[ROUNDS // 2]
    all_p99 = ", ".join(f"{r['p99_ms']:.0f}" for r in rounds)
    how = f"30 events/s in 100 ms batches to {CLIENTS} clients, median of {ROUNDS} rounds (p99 {all_p99} ms)"
    yield Result("batch made to client read, p50", middle["p50_ms"], "ms", how)
    yield Result("batch made to client read, p99", middle["p99_ms"], "ms", how, at_most=50)
    lost = sum(r["dropped"] + r["behind"] for r in rounds)
    yield Result(
        "events dropped or missing",
        lost,
        "",
        "counted by the hub; and what every client got in all, compared",
        at_most=0,
    )
    yield Result(
        "server memory a client", middle["kb_per_client"], "KB", "RSS after 2 s of events - before", at_most=30
    )
    yield Result("server processor", middle["server_cores"], "cores", "over the load")
    say("one stalled reader")
    healthy = scene(HEALTHY, STALL_LOAD_S, STALL_BATCH_S)
    stalled = scene(HEALTHY, STALL_LOAD_S, STALL_BATCH_S, stalled=True)
    how = f"{HEALTHY} clients, 500 frames/s, {STALL_LOAD_S:g} s, one more with 4 KB to receive that never reads"
    lost = stalled["behind"] + stalled["dropped"]
    yield Result("events lost by others", lost, "", how, at_most=0)
    more_kb = stalled["grown_kb_under_load"] - healthy["grown_kb_under_load"]
    yield Result("memory that it costs", more_kb, "KB", "RSS growth with it - without it", at_most=300)


BENCH = Bench("WebSocket fan-out of the generator", run)
