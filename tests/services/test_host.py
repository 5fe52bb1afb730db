"""Labs are mounted as they are; a broken one is reported and never keeps another from being served."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from labsvc import labcode
from labsvc.deps import Deps
from labsvc.host import Host
from labsvc.testing import FakeDependency, fake_deps

SERVICE = """
from labsvc.deps import Reply, Route
ROLE = "api"
def routes(deps, edit):
    async def show(request):
        return Reply(edit.STATUS, {"params": dict(request.params), "query": dict(request.query),
                                   "header": request.headers.get("x-who"), "body": request.body}, {"x-lab": "yes"})
    return [Route("GET", "/%(name)s/{key}", show), Route("POST", "/%(name)s/{key}", show)]
"""


def lab(root: Path, name: str, *, edit: str = "STATUS = 200\n", service: str = SERVICE, roles: str = "[api]") -> None:
    folder = root / "labs" / name
    folder.mkdir(parents=True)
    (folder / "scenario.yaml").write_text(f"roles: {roles}\nedit: edit.py\nrequests: [{{path: /{name}/x}}]\n")
    (folder / "edit.py").write_text(edit)
    (folder / "service.py").write_text(service.replace("%(name)s", name))


def host(root: Path, deps: Deps | None = None) -> Host:
    return Host(root / "labs", deps or fake_deps(FakeDependency()))


def asked(mounted: Host, method: str, path: str, **options: Any) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(mounted.app)
        async with httpx.AsyncClient(base_url="http://api.test", transport=transport, trust_env=False) as http:
            return await http.request(method, path, **options)

    return asyncio.run(ask())


def test_a_request_arrives_in_the_labs_own_words(tmp_path: Path) -> None:
    """Path parameters, query, lower-case headers and JSON body in; status, body and headers out."""
    lab(tmp_path, "one", edit="STATUS = 202\n")
    answer = asked(host(tmp_path), "POST", "/one/oak-65?n=2", json={"a": [1]}, headers={"X-Who": "me"})
    assert (answer.status_code, answer.headers["x-lab"]) == (202, "yes")
    assert answer.json() == {"params": {"key": "oak-65"}, "query": {"n": "2"}, "header": "me", "body": {"a": [1]}}


def test_a_body_that_is_no_json_is_refused(tmp_path: Path) -> None:
    """400 before the lab sees it; 413 for one beyond the limit."""
    lab(tmp_path, "one")
    mounted = host(tmp_path)
    assert asked(mounted, "POST", "/one/x", content=b"{").status_code == 400
    assert asked(mounted, "POST", "/one/x", content=b" " * 1_100_000).status_code == 413


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        ("def f(:\n", "labs/bad/edit.py:1: SyntaxError: invalid syntax"),
        ("import nope\n", "labs/bad/edit.py:1: ModuleNotFoundError: No module named 'nope'"),
        ("raise SystemExit(3)\n", "labs/bad/edit.py:1: SystemExit: 3"),
    ],
)
def test_a_lab_that_does_not_load_is_reported_and_alone(tmp_path: Path, edit: str, told: str) -> None:
    """File, line and cause in the report; 500 on its paths; the other lab answers."""
    lab(tmp_path, "bad", edit=edit)
    lab(tmp_path, "good")
    mounted = host(tmp_path)
    assert mounted.report()["bad"]["error"] == told
    assert mounted.report()["good"]["error"] is None
    broken = asked(mounted, "GET", "/bad/x")
    assert (broken.status_code, broken.json()["where"]) == (500, told)
    assert asked(mounted, "GET", "/good/x").status_code == 200


def test_a_handler_that_fails_says_where_and_no_traceback(tmp_path: Path) -> None:
    """The innermost line of lab code is named."""
    lab(
        tmp_path,
        "one",
        service=SERVICE.replace("edit.STATUS", "edit.status()"),
        edit="\ndef status():\n    return 1 / 0\n",
    )
    answer = asked(host(tmp_path), "GET", "/one/x")
    assert (answer.status_code, answer.json()) == (
        500,
        {"error": "ZeroDivisionError: division by zero", "where": "labs/one/edit.py:3"},
    )


def test_only_labs_of_this_role_are_served(tmp_path: Path) -> None:
    """The scenario names the roles."""
    lab(tmp_path, "one")
    lab(tmp_path, "jobs", roles="[worker]")
    assert list(host(tmp_path).report()) == ["one"]


def test_code_is_the_checksum_of_what_was_loaded(tmp_path: Path) -> None:
    """Service file and edit file, so that the driver can compare with the disk."""
    lab(tmp_path, "one")
    folder = tmp_path / "labs" / "one"
    expected = labcode.checksum((folder / "service.py").read_bytes(), (folder / "edit.py").read_bytes())
    assert host(tmp_path).report()["one"]["code"] == expected


def test_two_labs_on_one_route_are_told_apart(tmp_path: Path) -> None:
    """The first one keeps it, the second one is reported."""
    lab(tmp_path, "one")
    lab(tmp_path, "two", service=SERVICE.replace("%(name)s", "one"))
    mounted = host(tmp_path)
    assert mounted.report()["one"]["error"] is None
    assert "GET /one/{key} is the lab one's already" in str(mounted.report()["two"]["error"])


def test_background_work_ends_when_the_stop_begins(tmp_path: Path) -> None:
    """Before requests have had their time to finish, and once."""
    hook = """
class Work:
    calls = 0
    async def stop(self):
        Work.calls += 1
async def start(deps, edit):
    return Work()
"""
    lab(tmp_path, "one", service=SERVICE + hook)
    mounted = host(tmp_path)

    async def life() -> int:
        mounted.start()
        async with asyncio.timeout(60):
            while mounted.missing():  # noqa: ASYNC110 - nothing to wait on but the state itself
                await asyncio.sleep(0)
        mounted.end_background()
        await asyncio.sleep(0)
        assert mounted.labs[0].background.calls == 1
        await mounted.stop()
        return int(mounted.labs[0].background.calls)

    assert asyncio.run(life()) == 1


def test_a_start_hook_is_tried_again_until_it_succeeds(tmp_path: Path) -> None:
    """Readiness says why not yet; what the hook returned is stopped at the end."""
    hook = """
class Job:
    async def stop(self):
        edit_calls.append("stopped")
edit_calls = []
async def start(deps, edit):
    edit_calls.append("tried")
    if len(edit_calls) == 1:
        raise ConnectionError("no database yet")
    return Job()
"""
    lab(tmp_path, "one", service=SERVICE + hook)
    mounted = host(tmp_path)

    async def life() -> list[str]:
        mounted.start()
        seen = [mounted.missing()[0]]
        async with asyncio.timeout(60):
            while mounted.missing():
                seen.append(mounted.missing()[0])
                await asyncio.sleep(0)
        await mounted.stop()
        return seen

    seen = asyncio.run(life())
    assert any("ConnectionError: no database yet" in told for told in seen)
    assert mounted.labs[0].service is not None
    assert mounted.labs[0].service.edit_calls == ["tried", "tried", "stopped"]
