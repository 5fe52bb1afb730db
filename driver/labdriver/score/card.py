"""The judgement of one run: verdict, score, rules with their reasons, figures.

    Record ──▶ evidence.gather ──▶ rules ──▶ Card ──▶ score line, run.json, report

The score is the sum of the rules' points. An INVALID run keeps its score for the eye; it counts nowhere.
"""

from dataclasses import dataclass
from typing import Any

from labdriver.lab import Scenario
from labdriver.record import Record
from labdriver.score import books, metrics, rules, scan, verdict
from labdriver.score.evidence import Books, Evidence, gather, params
from labdriver.score.rule import Judged, Lost, Rule
from labdriver.score.verdict import Verdict

TOLD_LOSSES = 5  # examples a rule in run.json; the page draws its own from the record


@dataclass(frozen=True)
class RuleResult:
    """What one rule gave. `lost` names every request that cost points, in the order of time."""

    id: str
    rule: str
    title: str
    points: float
    max: float
    reason: str
    lost: tuple[Lost, ...]


@dataclass(frozen=True)
class Card:
    verdict: Verdict
    verdict_reason: str  # empty for VALID
    score: int  # 0–100
    rules: tuple[RuleResult, ...]
    metrics: dict[str, Any]  # see metrics.measure

    @property
    def deciding(self) -> RuleResult | None:
        """The rule that took the most points, None when none was lost."""
        losing = [rule for rule in self.rules if rule.points < rule.max]
        return max(losing, key=lambda rule: rule.max - rule.points, default=None)

    def to_json(self) -> dict[str, Any]:
        """As in `labdriver run --json` and in `run.json`: `lost` holds the first few, `lost_count` all."""
        return {
            "verdict": self.verdict,
            "verdict_reason": self.verdict_reason,
            "score": self.score,
            "rules": [
                {
                    "id": rule.id,
                    "rule": rule.rule,
                    "title": rule.title,
                    "points": rule.points,
                    "max": rule.max,
                    "reason": rule.reason,
                    "lost_count": len(rule.lost),
                    "lost": [
                        {"t_s": round(lost.t_s, 3), "seq": lost.seq, "target": lost.target, "what": lost.what}
                        for lost in rule.lost[:TOLD_LOSSES]
                    ],
                }
                for rule in self.rules
            ],
            "metrics": self.metrics,
        }


def judge(record: Record) -> Card:
    """Judge a record. Raises Misuse when its scenario names unknown rules, books or parameters."""
    return judge_evidence(gather(record))


def judge_evidence(evidence: Evidence) -> Card:
    """The same for evidence that is already there."""
    found, reason = verdict.of(evidence.record)
    results = tuple(_result(evidence, index) for index in range(len(evidence.record.head.scenario.rules)))
    score = round(sum(result.points for result in results))
    return Card(found, reason, min(100, max(0, score)), results, metrics.measure(evidence))


def check(scenario: Scenario) -> None:
    """Raise Misuse when the scenario names books or rules that are not there, or parameters they do not take."""
    made: Books[Any] = scan.find(books, scenario.books.books, constant="BOOKS")
    params(made.params, scenario.books.params, of=f"books {scenario.books.books}")
    for use in scenario.rules:
        rule: Rule[Any] = scan.find(rules, use.rule, constant="RULE")
        params(rule.params, use.params, of=f"rule {use.id}")


def _result(evidence: Evidence, index: int) -> RuleResult:
    use = evidence.record.head.scenario.rules[index]
    rule: Rule[Any] = scan.find(rules, use.rule, constant="RULE")
    judged: Judged = rule.evaluate(evidence, params(rule.params, use.params, of=f"rule {use.id}"))
    points = round(use.points * (judged.share or 0.0), 1)
    return RuleResult(use.id, use.rule, use.title, points, use.points, judged.reason, judged.lost)
