"""The same queue on every engine: M/M/100 at 90 % load. Each round tells customers per second of processor time.

The work is the same for all: Poisson arrivals and exponential service from two seeded generators, first come first
served, and one record a customer with arrival, start, end, and the server where the engine knows servers. SimPy has
two idioms: a Resource counts servers, a Store holds them and hands out the one longest idle, as our kernel does.
"""

import importlib.util
import time
from collections.abc import Callable
from random import Random
from typing import Any

from labsvc.sim.arrivals import Source
from labsvc.sim.instant import HOUR_US
from labsvc.sim.kernel import Kernel
from labsvc.sim.modifiers import Modifiers
from labsvc.sim.queueing import Station
from labsvc.sim.rate import Rate
from labsvc.sim.streams import exponential_us
from labsvc.sim.visit import Visit

SERVERS = 100
LOAD_ERL = 90
SERVICE_S = 300
PER_S = LOAD_ERL / SERVICE_S


def ours(customers: int, seed: int) -> float:
    """The kernel as a world uses it: a source, a station, an observer."""
    kernel = Kernel(world="bench", seed=seed)
    desk = Station(kernel, "desk", SERVERS)
    talk_us = exponential_us(kernel.streams.stream("desk", "service"), SERVICE_S * 1e6)
    records: list[Visit] = []  # a visit is its own record
    desk.observe(records.append)
    Source(kernel, Modifiers(kernel), "calls", Rate(PER_S * 3600), lambda v: desk.admit(v, talk_us()), make=Visit)
    started_s = time.process_time()
    kernel.run_until(round(customers / PER_S / 3600 * HOUR_US))
    return len(records) / (time.process_time() - started_s)


def simpy_resource(customers: int, seed: int) -> float:
    """SimPy's usual form: one process a customer, a Resource of 100."""
    import simpy

    environment = simpy.Environment()
    arrivals, services = Random(seed), Random(seed + 1)
    desk = simpy.Resource(environment, capacity=SERVERS)
    records: list[tuple[int, float, float, float]] = []

    def customer(n: int) -> Any:
        arrived_s = environment.now
        with desk.request() as turn:
            yield turn
            started_s = environment.now
            yield environment.timeout(services.expovariate(1 / SERVICE_S))
        records.append((n, arrived_s, started_s, environment.now))

    return _simpy(environment, customer, arrivals, records, customers)


def simpy_store(customers: int, seed: int) -> float:
    """SimPy with the servers in a Store: the one longest idle is taken first."""
    import simpy

    environment = simpy.Environment()
    arrivals, services = Random(seed), Random(seed + 1)
    desk = simpy.Store(environment)
    for server in range(SERVERS):
        desk.put(server)
    records: list[tuple[int, float, float, float, int]] = []

    def customer(n: int) -> Any:
        arrived_s = environment.now
        server = yield desk.get()
        started_s = environment.now
        yield environment.timeout(services.expovariate(1 / SERVICE_S))
        desk.put(server)
        records.append((n, arrived_s, started_s, environment.now, server))

    return _simpy(environment, customer, arrivals, records, customers)


def ciw(customers: int, seed: int) -> float:
    """Ciw, which keeps a record of every visit by itself."""
    import ciw as engine

    engine.seed(seed)
    network = engine.create_network(
        arrival_distributions=[engine.dists.Exponential(PER_S)],
        service_distributions=[engine.dists.Exponential(1 / SERVICE_S)],
        number_of_servers=[SERVERS],
    )
    simulation = engine.Simulation(network)
    started_s = time.process_time()
    simulation.simulate_until_max_customers(customers, method="Finish")
    records = simulation.get_all_records()
    return len(records) / (time.process_time() - started_s)


# name → (engine, its package, customers a round: about a second each)
RIVALS: dict[str, tuple[Callable[[int, int], float], str, int]] = {
    "SimPy, Resource": (simpy_resource, "simpy", 60_000),
    "SimPy, Store": (simpy_store, "simpy", 60_000),
    "Ciw": (ciw, "ciw", 15_000),
}


def present(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _simpy(environment: Any, customer: Callable[[int], Any], arrivals: Random, records: Any, customers: int) -> float:
    def source() -> Any:
        for n in range(customers):
            yield environment.timeout(arrivals.expovariate(PER_S))
            environment.process(customer(n))

    environment.process(source())
    started_s = time.process_time()
    environment.run()
    return float(len(records) / (time.process_time() - started_s))
