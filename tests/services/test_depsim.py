"""depsim over the wire: faults really land, and the ledger tells the same story as the caller."""

import asyncio
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from tests.services.conftest import Start

CALLS = 40
LIMIT_S = 60.0


def script(*faults: dict[str, Any], latency_ms: float = 5, start_in_s: float = 0) -> dict[str, Any]:
    behaviour = {"latency": {"kind": "constant", "ms": latency_ms}, "faults": list(faults)}
    phases = [{"name": "bad", "duration_s": 60, "operations": {"pricing": behaviour}}]
    return {"id": "s1", "seed": 3, "start_at_s": time.time() + start_in_s, "phases": phases}


def called(url: str, calls: int, *, held: int) -> Counter[str]:
    """What `calls` concurrent calls came to: a status, an exception, or "left" for the `held` ones that end no other
    way: their callers leave when all calls have arrived and the others have ended."""

    async def one(http: httpx.AsyncClient, n: int) -> str:
        try:
            return str((await http.get(f"/pricing/home-{n}")).status_code)
        except httpx.HTTPError as error:
            return type(error).__name__

    async def under_way(http: httpx.AsyncClient) -> tuple[int, int]:
        counts = (await http.get("/admin/counts")).json()["operations"].get("pricing", {})
        return counts.get("received", 0), counts.get("in_flight", 0)

    async def together() -> Counter[str]:
        async with httpx.AsyncClient(base_url=url, timeout=None, trust_env=False) as http, asyncio.timeout(LIMIT_S):
            calling = [asyncio.create_task(one(http, n)) for n in range(calls)]
            while await under_way(http) != (calls, held) or sum(call.done() for call in calling) < calls - held:
                pass
            for call in calling:
                call.cancel()
            ends = await asyncio.gather(*calling, return_exceptions=True)
            return Counter(end if isinstance(end, str) else "left" for end in ends)

    return asyncio.run(together())


def settled(http: httpx.Client) -> dict[str, Any]:
    """Counts of pricing once no call is in flight any more, or after LIMIT_S."""
    until_s = time.monotonic() + LIMIT_S
    while True:
        counts: dict[str, Any] = http.get("/admin/counts").json()["operations"]["pricing"]
        if counts["in_flight"] == 0 or time.monotonic() > until_s:
            return counts


def test_every_fault_lands_as_often_as_promised(start: Start) -> None:
    """Caller, counts and ledger agree on each kind, over two blocks of twenty calls."""
    depsim = start("depsim")
    kinds = {"hang": 0.2, "error": 0.1, "drop": 0.1, "slow": 0.1, "trickle": 0.1}
    with depsim.http() as http:
        faults = ({"kind": kind, "share_ratio": share, "every_ms": 10_000} for kind, share in kinds.items())
        armed = http.put("/admin/script", json=script(*faults))
        assert (armed.status_code, armed.json()["phase"]) == (200, "bad")
        told = called(depsim.url, CALLS, held=8 + 4)
        counts = settled(http)
        ledger = http.get("/admin/ledger").json()
    assert told == {"200": 20, "left": 8 + 4, "503": 4, "RemoteProtocolError": 4}
    assert counts["injected"] == {kind: share * CALLS for kind, share in kinds.items()}
    assert counts["received"] == CALLS == ledger["total"]
    outcomes = Counter(call["outcome"] for call in ledger["calls"])
    assert outcomes == {"answered": 20, "hang": 8, "error": 4, "drop": 4, "trickle": 4}
    for call in ledger["calls"]:
        assert (call["answer"] is not None) == (call["outcome"] == "answered")


def test_the_live_business_spoils_no_share(start: Start) -> None:
    """Marked calls between the load's: twenty calls of the load still meet exactly their share of errors."""
    depsim = start("depsim")
    mark = {"x-lab-traffic": "background"}
    with depsim.http() as http:
        http.put("/admin/script", json=script({"kind": "error", "share_ratio": 0.25}, latency_ms=0))
        told = Counter(http.get("/pricing/x").status_code for _ in range(20) if http.get("/pricing/x", headers=mark))
        counts, ledger = http.get("/admin/counts").json(), http.get("/admin/ledger").json()
        text = http.get("/metrics").text
    assert told == {200: 15, 503: 5}
    assert counts["operations"]["pricing"]["injected"] == counts["background"]["pricing"]["injected"] == {"error": 5}
    assert counts["operations"]["pricing"]["received"] == 20
    assert Counter(call["traffic"] for call in ledger["calls"]) == {"load": 20, "background": 20}
    assert 'labsvc_background_requests_total{method="GET",route="/pricing/{key}",status="200"} 15.0' in text


def test_an_answer_is_in_the_ledger_word_for_word(start: Start) -> None:
    """An invented price can never match: every answer has a reference of its own."""
    depsim = start("depsim")
    with depsim.http() as http:
        answers = [http.get("/pricing/oak-65").json() for _ in range(2)]
        calls = http.get("/admin/ledger").json()["calls"]
    assert [call["answer"] for call in calls] == answers
    assert answers[0]["price_ref"] != answers[1]["price_ref"]
    assert calls[0]["at_s"] <= answers[0]["priced_at_s"] + 0.001


def test_a_caller_that_leaves_is_entered_as_abandoned(start: Start) -> None:
    """Nothing was wrong with the call but the caller's patience."""
    depsim = start("depsim")
    with depsim.http() as http:
        http.put("/admin/script", json=script(latency_ms=60_000))
        assert called(depsim.url, 3, held=3) == {"left": 3}
        counts = settled(http)
        outcomes = [(call["outcome"], call["done_s"]) for call in http.get("/admin/ledger").json()["calls"]]
    assert (counts["abandoned"], counts["injected"]) == (3, {})
    assert outcomes == [("abandoned", None)] * 3


def test_held_calls_are_let_go_with_their_script(start: Start) -> None:
    """Deleting the script cuts what hangs and starts an empty ledger."""
    depsim = start("depsim")

    async def hang_until_deleted() -> str:
        async with httpx.AsyncClient(base_url=depsim.url, timeout=LIMIT_S, trust_env=False) as http:
            await http.put("/admin/script", json=script({"kind": "hang", "share_ratio": 1}))
            call = asyncio.ensure_future(http.get("/pricing/oak-65"))
            async with asyncio.timeout(LIMIT_S):
                while (await http.get("/admin/counts")).json()["operations"] == {}:
                    pass
            await http.delete("/admin/script")
            with pytest.raises(httpx.RemoteProtocolError):
                await call
            return str((await http.get("/admin/ledger")).json()["total"])

    assert asyncio.run(hang_until_deleted()) == "0"


def test_before_its_start_a_script_changes_nothing(start: Start) -> None:
    """The driver arms ahead of time."""
    depsim = start("depsim")
    with depsim.http() as http:
        state = http.put("/admin/script", json=script({"kind": "error", "share_ratio": 1}, start_in_s=3600)).json()
        assert (state["id"], state["phase"], state["entered"]) == ("s1", None, [])
        assert http.get("/pricing/oak-65").status_code == 200


def test_misuse_is_answered_with_the_known_names(start: Start) -> None:
    """A script with an unknown fault and a call of an unknown operation."""
    depsim = start("depsim")
    with depsim.http() as http:
        refused = http.put("/admin/script", json=script({"kind": "melt", "share_ratio": 1}))
        unknown = http.get("/weather/today")
        broken = http.put("/admin/script", content=b"{")
    assert (refused.status_code, broken.status_code, unknown.status_code) == (422, 422, 404)
    assert "expected one of: drop, error, hang, slow, trickle" in refused.json()["error"]
    assert "expected one of: notice, payment, pricing" in unknown.json()["error"]


def test_a_payment_is_taken_once_per_idempotency_key(start: Start) -> None:
    """The same order and key get the first payment again; without a key every call pays."""
    depsim = start("depsim")
    with depsim.http() as http:

        def pay(headers: dict[str, str]) -> dict[str, Any]:
            answer: dict[str, Any] = http.post("/payment/o-1", json={"amount_cents": 5}, headers=headers).json()
            return answer

        first, again = pay({"Idempotency-Key": "k"}), pay({"Idempotency-Key": "k"})
        plain = [pay({})["payment_ref"] for _ in range(2)]
    assert (first["amount_cents"], first["replayed"], again["replayed"]) == (5, False, True)
    assert first["payment_ref"] == again["payment_ref"]
    assert len({first["payment_ref"], *plain}) == 3


def test_faults_never_touch_health_and_metrics(start: Start) -> None:
    """With every call hanging, the three paths answer and count."""
    depsim = start("depsim")
    with depsim.http() as http:
        http.put("/admin/script", json=script({"kind": "hang", "share_ratio": 1}))
        assert called(depsim.url, 5, held=5) == {"left": 5}
        assert settled(http)["in_flight"] == 0
        assert http.get("/healthz").status_code == 200
        assert http.get("/readyz").json()["ready"] is True
        text = http.get("/metrics").text
    assert 'labsvc_requests_total{method="GET",route="/pricing/{key}",status="none"}' in text
    assert "labsvc_cpu_seconds_total" in text
