"""Words of a verdict: answers by the interval, contrasts by their direction, and the two closing sentences.

Every number in a sentence is formatted here and nowhere else in the package; the table keeps full precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, floor, isfinite, isnan, log10

from analyses.claims.verdict import Comparison, Rules, Scale, VerdictRow
from outcomes.rounding import MINUS, NOT_ESTIMABLE, ama_decimals, number_text

__all__ = [
    "BETTER",
    "BETTER_BY_MARGIN",
    "BETTER_NOT_IMPORTANT",
    "IMPORTANT_EXCLUDED",
    "INCONCLUSIVE",
    "MINUS",
    "NOT_ESTIMABLE",
    "NOT_SHOWN",
    "WORSE",
    "answer_by_interval",
    "contrast_name",
    "format_estimate",
    "format_margin",
    "format_number",
    "format_p",
    "interaction_name",
    "join_words",
]

BETTER = "better"
BETTER_BY_MARGIN = "better by at least the margin"
BETTER_NOT_IMPORTANT = "better, important benefit excluded"
IMPORTANT_EXCLUDED = "important benefit excluded"
INCONCLUSIVE = "inconclusive"
WORSE = "worse"
NOT_SHOWN = "not shown"


def answer_by_interval(comparison: Comparison, rules: Rules, null: float) -> str:
    """Name what an interval shows about one comparison.

    Parameters
    ----------
    comparison : Comparison
        Oriented so that more is better.
    rules : Rules
        The error rate and the margin.
    null : float
        The value of no benefit.

    Returns
    -------
    str
        ``better``, ``better by at least the margin``, ``better, important benefit excluded``, ``important
        benefit excluded``, ``inconclusive``, ``worse``, or, where there is no test, the comparison's own reason
        or ``not estimable``.

    Notes
    -----
    The interval decides. Where the test is not the interval's own (Fisher beside Newcombe, Mann-Whitney
    beside the probability of superiority), "better" and "worse" need both to agree; otherwise the answer
    stays ``inconclusive``.
    """
    if not comparison.testable:
        return comparison.reason or NOT_ESTIMABLE
    low, high = comparison.limits(rules.tail)
    if high < null and _shows_harm(comparison, rules):
        return WORSE
    better = low > null and _shows_benefit(comparison, rules)
    excluded = rules.margin is not None and high < null + rules.margin
    if better and rules.margin is not None and low >= null + rules.margin:
        return BETTER_BY_MARGIN
    if better:
        return BETTER_NOT_IMPORTANT if excluded else BETTER
    return IMPORTANT_EXCLUDED if excluded else INCONCLUSIVE


def _shows_benefit(comparison: Comparison, rules: Rules) -> bool:
    # An exact two-sided p can be below twice its one-sided p, which the min test uses: both must pass.
    return comparison.p_benefit < rules.tail and (rules.sided == 1 or comparison.p_value < rules.alpha)


def _shows_harm(comparison: Comparison, rules: Rules) -> bool:
    # Also where the tests are one-sided: a combination that does worse is not just one that is not better.
    return comparison.p_benefit > 0.5 and comparison.p_value < 2 * rules.tail


def bracketed(label: str) -> str:
    """Put an arm's label in parentheses where a sign in it could be taken for arithmetic."""
    return f"({label})" if any(sign in label for sign in ("+", " - ", MINUS)) else label


def contrast_name(combination: str, reference: str, higher_is_better: bool) -> str:
    """Name a difference so that positive is benefit: ``(Laser + PRP) − Laser``, or the other way round."""
    first, second = (combination, reference) if higher_is_better else (reference, combination)
    return f"{bracketed(first)} {MINUS} {bracketed(second)}"


def interaction_name(
    combination: str, first: str, second: str, background: str, higher_is_better: bool
) -> str:
    """Name the additive interaction as what b adds to S + a beyond what it adds to S alone."""
    with_first = contrast_name(combination, first, higher_is_better)
    alone = contrast_name(second, background, higher_is_better)
    return f"[{with_first}] {MINUS} [{alone}]"


def format_number(value: float, decimals: int) -> str:
    """Format a number half-up on its decimal value, with a real minus sign and never a negative zero.

    The value is that of 10 significant digits, as results are stored: a mean of 7.5 that the computer holds as
    7.499999999999999 is 8 in every sentence and table.

    NaN stands for "not estimable", and is written so.
    """
    return number_text(value, decimals)


def format_p(p: float) -> str:
    """Format a p-value as medical journals do: ``p < .001``, ``p = .004``, ``p = .03``, ``p > .99``.

    Near .05 there are as many digits as keep a value from being rounded onto it: ``p = .0497``.
    """
    if isnan(p):
        return f"p {NOT_ESTIMABLE}"
    if p < 0.001:
        return "p < .001"
    if p > 0.99:
        return "p > .99"
    return "p = " + format_number(p, ama_decimals(p)).removeprefix("0")


def format_estimate(estimate: float, low: float, high: float, scale: Scale, level: float) -> str:
    """Write an estimate with its interval: ``27 points, 95 % CI 19 to 35``.

    Decimals follow the interval's width (none where half of it is 5 or more), and grow until no limit
    is rounded onto the value of no benefit. What has no interval says so, and what has no estimate either is
    ``not estimable``.
    """
    if isnan(estimate):
        return NOT_ESTIMABLE
    values = [estimate, low, high]
    null = scale.null
    if scale.show in ("odds ratio", "ratio"):
        values, null = [exp(value) for value in values], exp(null)
        decimals = 2 if max(values[0], values[1]) < 10 else 1
    elif scale.show == "probability":
        decimals = 2
    else:
        factor = 100.0 if scale.show == "percentage points" else 1.0
        values, null = [factor * value for value in values], factor * null
        decimals = _width_decimals(values[2] - values[1])
    while decimals < 6 and any(
        value != null and format_number(value, decimals) == format_number(null, decimals)
        for value in values[1:]
    ):
        decimals += 1
    unit = {"percentage points": "percentage points"}.get(scale.show, scale.unit)
    texts = [format_number(value, decimals) for value in values]
    interval = f"{texts[1]} to {texts[2]}" if not (isnan(low) and isnan(high)) else NOT_ESTIMABLE
    return f"{texts[0]}{' ' + unit if unit else ''}, {format_level(level)} CI {interval}"


def format_margin(margin: float, scale: Scale) -> str:
    """Write a margin on the scale of its numbers: ``15 percentage points``, ``0.1 in probability of superiority``."""
    if scale.show == "percentage points":
        return f"{100 * margin:g} percentage points"
    if scale.show in ("odds ratio", "ratio"):
        article = "an" if scale.noun[:1] in "aeiou" else "a"
        return f"{article} {scale.noun} of {exp(margin):.3g}"
    if scale.show == "probability":
        return f"{margin:g} in {scale.noun}"
    return f"{margin:g} {scale.unit}".strip()


def format_level(level: float) -> str:
    """Write a confidence level: ``95 %``."""
    return f"{float(f'{100 * level:.6g}'):g} %"


def row_numbers(row: VerdictRow, scale: Scale, rules: Rules) -> str:
    """Write a row's estimate and interval for a sentence, on the row's own scale where it has one."""
    return format_estimate(row.estimate, row.conf_low, row.conf_high, row.scale or scale, rules.level)


def join_words(words: Sequence[str], last: str = "and") -> str:
    """Join words as a sentence does: ``a, b and c``."""
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def _width_decimals(width: float) -> int:
    half = width / 2
    if not isfinite(half) or half <= 0:
        return 1
    return min(6, max(0, -floor(log10(half / 5))))
