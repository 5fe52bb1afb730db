"""The catalogue: the source's numbers to the letter, and nothing in it that the business or the api could not use."""

import ast
import re
from pathlib import Path

import pytest

from labsvc.errors import Misuse
from labsvc.worlds.commerce import WORLD, catalogue, errands, settings
from labsvc.worlds.commerce.business import SCENARIOS
from labsvc.worlds.commerce.catalogue import Choice, Scenario

ROOT = Path(__file__).resolve().parents[4]
BOOK = catalogue.read()
SETTINGS = settings.read()


def test_numbers_are_the_sources() -> None:
    """Intervals, rates and limits of the source's configuration."""
    rules = SETTINGS.business_simulator
    minutes = [
        rules.workshop_mode.order_generation_interval,
        rules.participant_scaling.order_interval.small,
        rules.participant_scaling.order_interval.large,
        rules.participant_scaling.ticket_interval.small,
        rules.participant_scaling.ticket_interval.large,
    ]
    assert [each.total_seconds() / 60 for each in minutes] == [3, 4, 2, 3, 1]
    assert rules.normal_mode.order_generation_interval.total_seconds() == 4 * 3600
    assert (rules.workshop_mode.support_ticket_rate, rules.normal_mode.support_ticket_rate) == (0.25, 0.15)
    assert (rules.workshop_mode.fast_track_enabled, rules.normal_mode.fast_track_enabled) == (True, False)
    queue, warranty = rules.ticket_queue, rules.warranty_department
    assert (queue.min_active_tickets, queue.max_active_tickets) == (5, 15)
    assert (queue.stagger_min.total_seconds(), queue.stagger_max.total_seconds()) == (1, 30)
    assert (warranty.min_days_since_delivery, warranty.max_days_since_delivery) == (30, 365)
    assert (warranty.ticket_probability, warranty.escalation_threshold_hours) == (0.15, 4)


def test_service_scenarios_are_the_sources_and_more() -> None:
    """The four of the source, word for word, and at least twelve altogether."""
    first = {s.id: (s.priority, s.category, s.response_target.total_seconds() / 60) for s in BOOK.service[:4]}
    assert first == {
        "truck-stuck": ("high", "delivery-issue", 15),
        "missing-appliances": ("medium", "delivery-issue", 120),
        "connect-utilities": ("low", "general", 240),
        "structural-damage": ("critical", "product-defect", 30),
    }
    assert [s.id for s in BOOK.service[:4] if s.needs_escalation] == ["structural-damage"]
    assert BOOK.service[0].tags == ("urgent", "logistics", "problem-solving")
    assert len(BOOK.service) >= 12


def test_warranty_scenarios_are_the_sources_and_more() -> None:
    """The four of the source with probability, priority, category and cost, and at least twelve altogether."""
    first = [(s.subject, s.probability, s.priority, s.category, s.estimated_cost) for s in BOOK.warranty[:4]]
    assert first == [
        ("Foundation Settling Issues", 0.12, "high", "warranty-claim", 2500),
        ("HVAC System Malfunction", 0.08, "high", "warranty-claim", 1800),
        ("Electrical Outlet Not Working", 0.15, "medium", "warranty-claim", 400),
        ("Paint Touch-up Request", 0.20, "low", "maintenance", 150),
    ]
    assert len(BOOK.warranty) >= 12


@pytest.mark.parametrize("scenario", [*BOOK.service, *BOOK.warranty], ids=lambda each: each.id)
def test_ticket_is_fit_to_be_shown(scenario: Scenario) -> None:
    """One line of subject, a description of some length, known place-holders, tags; critical ones are escalated."""
    assert len(scenario.subject) <= 80
    assert "\n" not in scenario.subject
    assert len(scenario.description) > 80
    assert set(re.findall(r"\{\w+\}", scenario.description)) <= {"{product}", "{city}"}
    assert scenario.tags
    assert scenario.needs_escalation == (scenario.priority == "critical")


def test_names_are_unique_and_known() -> None:
    """Ids and skus stand once; what regions prefer and components ask for exists."""
    goods = BOOK.goods
    for names in (
        [s.id for s in (*BOOK.service, *BOOK.warranty)],
        [p.sku for p in (*goods.products, *goods.components)],
        [r.name for r in goods.regions],
    ):
        assert len(names) == len(set(names))
    skus, regions = {p.sku for p in goods.products}, {r.name for r in goods.regions}
    assert {sku for region in goods.regions for sku in region.prefers} <= skus
    assert {region for part in goods.components for region in part.regions} <= regions
    longest = max(len(a) for a in BOOK.people.first) + 1 + max(len(b) for b in BOOK.people.family)
    assert longest <= 60  # what the api takes for a name
    assert set(BOOK.feedback.texts) == set(BOOK.feedback.share_ratio) == {1, 2, 3, 4, 5}


def test_homes_of_the_tx_lab_are_sold_here_at_the_same_price() -> None:
    """The lab and the business tell of the same homes."""
    tree = ast.parse((ROOT / "labs" / "tx" / "service.py").read_text(encoding="utf-8"))
    homes = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "HOMES"
    )
    assert {p.sku: p.price_cents for p in BOOK.goods.products if p.sku in homes} == {k: v[1] for k, v in homes.items()}


@pytest.mark.parametrize("status", ["pending", "confirmed", "in_production", "shipped", "delivered", "cancelled"])
def test_somebody_complains_about_every_status(status: str) -> None:
    """An order that is due to bring a ticket always finds one that fits."""
    assert BOOK.complaints(status) is not None
    if status in ("shipped", "delivered"):
        assert BOOK.complaints(status, critical=True) is not None


def test_scenarios_of_the_world_are_those_of_the_settings() -> None:
    """Every file is offered, every surge belongs to a scenario without an end of its own."""
    import yaml

    files = {path.stem: yaml.safe_load(path.read_bytes()) for path in SCENARIOS.glob("*.yaml")}
    assert set(SETTINGS.business_simulator.scenarios.predefined_scenarios) == set(files)
    assert set(errands.read()) == {name for name, raw in files.items() if "duration_s" not in raw}
    assert all(raw["events"][0].get("at_s", 0) == 0 for raw in files.values())
    assert sum(any(e.get("red_herring") for e in raw["events"]) and "effects" in raw for raw in files.values()) == 2


def test_choice_follows_the_weights() -> None:
    """The bounds of each share."""
    choice = Choice("abc", [1, 2, 1])
    assert [choice.at(u) for u in (0, 0.2499, 0.25, 0.7499, 0.75, 1 - 1e-12)] == list("aabbcc")


def test_a_broken_file_is_told_with_its_lines(tmp_path: Path) -> None:
    """A wrong value and an unknown key, each with file and line."""
    text = settings.FILE.read_text(encoding="utf-8")
    broken = text.replace("SupportTicketRate: 0.25", "SupportTicketRate: 2.5").replace("HistoryDays", "HistoryDaze")
    (tmp_path / "settings.yaml").write_text(broken, encoding="utf-8")
    with pytest.raises(Misuse) as told:
        settings.read(tmp_path / "settings.yaml")
    lines = str(told.value).splitlines()
    assert any("SupportTicketRate" in line and re.search(r"settings\.yaml:\d+:", line) for line in lines)
    assert any("HistoryDaze" in line for line in lines)


def test_world_is_found_by_its_name() -> None:
    """As every world is."""
    from labsvc import scan, worlds

    assert scan.load(worlds, "commerce", "WORLD") is WORLD
