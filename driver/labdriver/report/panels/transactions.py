"""The age of the oldest open transaction in the database, as `pg_stat_activity` had it."""

from labdriver.lab import Model, Name
from labdriver.report.panel import GHOST_KEY, GHOST_KEY_NAME, Chart, Key, Panel, Target, View, ghost, line
from labdriver.report.panels import _sampled

LEAST_MS = 0.1  # the lowest value that a log axis draws


class TransactionsParams(Model):
    role: Name  # who looked


def draw(view: View, earlier: View | None, params: TransactionsParams) -> Chart:
    """One look a second on a log axis, beside the limit that a rule sets."""
    figure = f"{params.role}.db_longest_transaction_s"
    ages = _ages_ms(view, figure)
    traces = [line("oldest open transaction", ages, "hung")]
    traces[0] |= {"mode": "lines+markers", "marker": {"color": "$hung", "size": 5}}
    keys = [Key("oldest open transaction", "hung", "line")]
    drawn = list(ages)
    if earlier is not None:
        before = _ages_ms(earlier, figure)
        drawn += before
        traces.insert(0, ghost(GHOST_KEY_NAME, before))
        keys.append(GHOST_KEY)
    targets = tuple(_targets(view, figure))
    return Chart(
        answer=_answer(view, ages, targets),
        traces=tuple(traces),
        keys=tuple(keys),
        unit="ms",
        log=True,
        y_range=(LEAST_MS, max(_sampled.highest(drawn) * 2, 1000.0)),
        targets=targets,
    )


def _ages_ms(view: View, figure: str) -> _sampled.Looks:
    return [(t_s, max(age_s * 1000, LEAST_MS)) for t_s, age_s in _sampled.looks(view, figure)]


def _targets(view: View, figure: str) -> list[Target]:
    return [
        Target(rule.params["limit"] * 1000, f"full points below {rule.params['limit'] * 1000:,.0f} ms")
        for rule in view.record.head.scenario.rules
        if rule.rule == "above" and rule.params.get("figure") == figure
    ]


def _answer(view: View, ages: _sampled.Looks, targets: tuple[Target, ...]) -> str:
    if not ages:
        return "No samples were taken."
    oldest = f"the oldest transaction seen was {_sampled.highest(ages):,.0f} ms old"
    if not targets:
        return f"{oldest[0].upper()}{oldest[1:]}."
    counted = _sampled.in_load(view, ages)
    over = sum(age > targets[0].value for _, age in counted)
    return f"Longer than {targets[0].value:,.0f} ms in {over} of {len(counted)} looks; {oldest}."


PANEL = Panel("How long did transactions stay open?", TransactionsParams, draw)
