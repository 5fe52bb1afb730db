"""Locust's FastHttpUser at a rate, as a process: `python -m bench._fast_http URL RATE SECONDS` prints one JSON line."""

import locust  # isort: skip - patches the standard library first

import json
import sys
import time

import gevent
from locust.env import Environment

USERS = 1  # one user alone sends evenly, as we do; many in step share each wake-up and look cheaper than even load is


def main(url: str, rate_rps: float, seconds: float) -> None:
    """Run USERS users that share the rate; tells requests and processor seconds, start-up left out."""

    class Visitor(locust.FastHttpUser):
        host = url
        wait_time = locust.constant_throughput(rate_rps / USERS)

        @locust.task
        def visit(self) -> None:
            self.client.get("/")

    environment = Environment(user_classes=[Visitor])
    runner = environment.create_local_runner()
    runner.start(USERS, spawn_rate=USERS)
    gevent.sleep(1)
    requests, cpu_s = environment.stats.total.num_requests, time.process_time()
    gevent.sleep(seconds)
    made = environment.stats.total.num_requests - requests
    print(json.dumps({"requests": made, "cpu_s": time.process_time() - cpu_s}), flush=True)
    runner.quit()


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
