"""The primary comparison within the levels of each categorical covariate, with the test of their difference.

One model a covariate: the primary model with arm x covariate added (arm x visit x covariate where it is of all visits),
so that every level keeps the model's covariance and its other covariates. Within each level stand the combination's
differences from its parts; the interaction is tested by one F test of all of them together, and another of all arms.

This explores. A trial that is sized for the whole group seldom can tell its subgroups apart, and the test within one of
them answers no question (Wang et al. 2007, N Engl J Med 357:2189): subgroups are compared, not tested one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analyses.claims.verdict_words import contrast_name
from outcomes import Trial
from outcomes.endpoint import EndpointFacts
from outcomes.errors import ModelError
from outcomes.protocol import Analysis
from reports.results import ResultsBuilder
from reports.steps.continuous import ContinuousModel, used_rows, without_names
from reports.steps.units import count_units

if TYPE_CHECKING:
    from analyses.marginal_means import MarginalMeans
    from analyses.mixed_model_fit import MixedModelFit

SUBGROUPS = "subgroups"
"""Part of the address, after the analysis's name."""

FEWEST_PATIENTS = 3
"""Patients with a value that each arm of a comparison needs in a level: fewer say nothing of the level."""

COMPARED = "compared"
"""Part of the address, after the analysis's name, of the numbers of units that each comparison as a whole is of."""

NUMBERS = ("estimate", "std_error", "df", "conf_low", "conf_high")
INTERACTION = "interaction of the combination's differences"
ALL_ARMS = "interaction of all arms"

Rows = NDArray[np.float64]


def subgroup_covariates(trial: Trial, data: pd.DataFrame) -> tuple[str, ...]:
    """Return the protocol's categorical covariates with more than one level in the data."""
    return tuple(
        one.name
        for one in trial.protocol.covariates
        if one.kind == "categorical" and one.name in data.columns and data[one.name].nunique() > 1
    )


def add_subgroups(
    trial: Trial,
    analysis: Analysis,
    facts: EndpointFacts,
    data: pd.DataFrame,
    model: ContinuousModel | None,
    out: ResultsBuilder,
) -> None:
    """Write the comparison within each level of each categorical covariate, under "<analysis>/subgroups".

    Levels stand as "<covariate>: <level>", each with a row a contrast; the tests of the interaction under the
    covariate's own name.

    Parameters
    ----------
    trial, analysis, facts, data
        The primary analysis and its endpoint frame.
    model
        The primary model; None for grades and responders, which are then left out with a sentence.
    out
        Where the numbers go.
    """
    covariates = subgroup_covariates(trial, data)
    scope = out.scope(analysis=f"{analysis.name}/{SUBGROUPS}", endpoint=facts.name, visit=analysis.visit)
    if not covariates:
        return
    if model is None:
        scope.say(
            "not_done",
            "Subgroups of grades and responders are not analysed: their differences depend on the scale on which they "
            "are compared.",
        )
        return
    here = model.used[model.used["visit"].astype(str) == analysis.visit]
    for pair in _pairs(trial):
        counts = count_units(here[here["arm"].astype(str).isin(pair)])
        whole = scope.scope(analysis=f"{analysis.name}/{COMPARED}", method="counts of the rows used")
        whole.add_all({f"n_{unit}": n for unit, n in counts.items()}, contrast=_name(facts, *pair))
    for covariate in covariates:
        try:
            fit = _fit(model, covariate, analysis)
            _add_covariate(trial, analysis, facts, model, covariate, fit, scope)
        except ModelError as error:
            scope.say("not_estimable", without_names(error.message, data), subject=covariate)


def subgroup_formula(formula: str, covariate: str, over_visits: bool) -> str:
    """Return a model's formula with the interaction of arm and covariate, by visit where the model is of all visits."""
    from analyses.formula import parse_formula

    parts = parse_formula(formula)
    terms = [term.text for term in parts.random]
    if parts.residual is not None:
        terms.append(parts.residual.text)
    added = f"arm * visit * {covariate}" if over_visits else f"arm * {covariate}"
    return " + ".join([parts.fixed, added, *terms])


def _fit(model: ContinuousModel, covariate: str, analysis: Analysis) -> MixedModelFit:
    from analyses import fit_mixed_model

    formula = subgroup_formula(model.formula, covariate, "visit" in model.at)
    return fit_mixed_model(formula, model.data, df_method=analysis.df_method, on_failure="fallback")


def _add_covariate(
    trial: Trial,
    analysis: Analysis,
    facts: EndpointFacts,
    model: ContinuousModel,
    covariate: str,
    fit: MixedModelFit,
    scope: ResultsBuilder,
) -> None:
    """Write the levels of one covariate and the tests of its interaction."""
    from analyses import marginal_means

    used = used_rows(fit, model.data)
    used = used[used["visit"].astype(str) == analysis.visit]
    counts = _patients(used, covariate)
    levels = [str(level) for level in _levels(used[covariate])]
    means = marginal_means(fit, "arm", by=covariate, at=dict(model.at) or None, weights="proportional")
    pairs = _pairs(trial)
    scope.say("model", fit.formula, subject=covariate)
    told = scope.scope(method=f"contrasts of marginal means; {fit.formula}")
    alpha = analysis.alpha if analysis.sided == 2 else 2 * analysis.alpha
    usable: dict[tuple[str, str], list[str]] = {}
    for first, second in pairs:
        table = means.contrast(
            {_name(facts, first, second): _weights(facts, first, second)}, alpha=alpha
        ).table.set_index(covariate)
        table.index = table.index.astype(str)
        for level in levels:
            here = used[
                (used[covariate].astype(str) == level) & used["arm"].astype(str).isin((first, second))
            ]
            enough = all(counts.get((level, arm), 0) >= FEWEST_PATIENTS for arm in (first, second))
            known = enough and bool(np.isfinite(table.loc[level, "std_error"]))
            if known:
                usable.setdefault((first, second), []).append(level)
            address = {"contrast": _name(facts, first, second), "level": f"{covariate}: {level}"}
            told.add_all({one: table.loc[level, one] if known else None for one in NUMBERS}, **address)
            told.add_all({f"n_{unit}": n for unit, n in count_units(here).items()}, **address)
    _add_tests(means, covariate, pairs, usable, counts, levels, told, trial)


def _add_tests(
    means: MarginalMeans,
    covariate: str,
    pairs: Sequence[tuple[str, str]],
    usable: dict[tuple[str, str], list[str]],
    counts: dict[tuple[str, str], int],
    levels: list[str],
    out: ResultsBuilder,
    trial: Trial,
) -> None:
    """Write the F tests: that the differences from the parts, and those of all arms, are alike in all levels."""
    from analyses.means.linear_functions import joint_test

    arms = [arm for arm in trial.protocol.arms if any(counts.get((level, arm)) for level in levels)]
    everywhere = [
        level for level in levels if all(counts.get((level, arm), 0) >= FEWEST_PATIENTS for arm in arms)
    ]
    of_parts = [row for pair in pairs for row in _changes(means, covariate, pair, usable.get(pair, []))]
    of_arms = [row for arm in arms[1:] for row in _changes(means, covariate, (arm, arms[0]), everywhere)]
    for rows, prefix, method in ((of_parts, "", INTERACTION), (of_arms, "all_arms_", ALL_ARMS)):
        nothing = dict.fromkeys(("p_value", "statistic", "num_df", "den_df"))
        found: dict[str, Any] = joint_test(means.fit, np.array(rows)) if rows else nothing
        out.add_all(
            {
                f"{prefix}p_interaction": found["p_value"],
                f"{prefix}f": found["statistic"],
                f"{prefix}df_num": found["num_df"],
                f"{prefix}df_den": found["den_df"],
            },
            level=covariate,
            method=f"F test, {method}",
        )


def _changes(
    means: MarginalMeans, covariate: str, pair: tuple[str, str], levels: Sequence[str]
) -> Iterator[Rows]:
    """Yield, for each level after the first, its difference of two arms minus that of the first level."""
    arm, level = (means.grid[name].astype(str).to_numpy() for name in ("arm", covariate))

    def difference(here: str) -> Rows:
        one, two = (means.rows[(arm == which) & (level == here)][0] for which in pair)
        return np.asarray(one - two, dtype=float)

    for other in levels[1:]:
        yield difference(other) - difference(levels[0])


def _pairs(trial: Trial) -> list[tuple[str, str]]:
    from analyses.claims.combination_questions import primary_combination

    arms = trial.protocol.arms
    combination = primary_combination(arms)
    return [(combination, part) for part in arms.parts(combination)]


def _name(facts: EndpointFacts, combination: str, part: str) -> str:
    return contrast_name(combination, part, facts.higher_is_better)


def _weights(facts: EndpointFacts, combination: str, part: str) -> dict[str, float]:
    sign = 1.0 if facts.higher_is_better else -1.0
    return {combination: sign, part: -sign}


def _levels(values: pd.Series) -> list[Any]:
    """Return the levels that occur, in their declared order."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return [level for level in values.cat.categories if (values == level).any()]
    return sorted(values.dropna().unique())


def _patients(used: pd.DataFrame, covariate: str) -> dict[tuple[str, str], int]:
    """Return how many patients have a value in each level and arm."""
    groups = used.assign(_level=used[covariate].astype(str), _arm=used["arm"].astype(str))
    return {
        (str(level), str(arm)): int(rows["patient"].nunique())
        for (level, arm), rows in groups.groupby(["_level", "_arm"], sort=False)
    }
