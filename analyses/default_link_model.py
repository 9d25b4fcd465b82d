"""The model of grades or responders: the protocol's own formula, or the default of its design; and what to do without.

Lesions of one patient are alike in what the patient brings along, so that within patients the model has random
intercepts; between patients it has fixed effects only. The methods without a model (paired ranks and McNemar's test,
Mann-Whitney and Fisher's test) stand beside it always, and lead where the model knows nothing more than they do, or
cannot be fitted to all arms.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from analyses.default_model import _baseline, _covariates, _join, is_over_visits
from analyses.fallback import FITTED, NOT_CONVERGED, REFUSED, FallbackStep, fallback_formulas
from analyses.formula import parse_formula
from outcomes.errors import DesignError, ModelError
from outcomes.protocol import Analysis, Protocol

if TYPE_CHECKING:
    from analyses.links.generalized_fit import GeneralizedFit
    from analyses.links.ordinal_fit import OrdinalFit

__all__ = ["LinkChoice", "LinkOutcome", "choose_link_model", "fit_link_model"]

RUNAWAY, ADVICE = "Random effects spread", " Use a paired test, or a marginal model."
"""How a fit's note on random effects that run away begins, and the advice that it ends with."""


@dataclass(frozen=True, slots=True)
class LinkChoice:
    """A model of grades or responders, and why it was chosen.

    Attributes
    ----------
    scale
        ``ordinal`` (a cumulative link model) or ``binary`` (a binomial one).
    formula
        Over the columns of ``trial.endpoint(...)``.
    at
        Where the arms are compared, ``{"visit": ...}``; empty where the model is of the rows of that visit alone.
    reason
        One sentence on why this model.
    fallback
        Formulas to try in order where it cannot be fitted.
    leads
        Whether its answer leads; else it stands beside that of the methods without a model.
    """

    scale: str
    formula: str
    at: Mapping[str, str]
    reason: str
    fallback: tuple[str, ...]
    leads: bool


@dataclass(frozen=True, slots=True)
class LinkOutcome:
    """What came of a model of grades or responders.

    Attributes
    ----------
    fit
        The fit; None where none could be made.
    formula
        Its formula.
    walk
        What was left before it, and why.
    left_out
        Arms of which every unit had the same extreme outcome: they have no odds, and were left out.
    leads
        Whether the model's answer leads: it was chosen to, and is of all arms.
    """

    fit: OrdinalFit | GeneralizedFit | None
    formula: str
    walk: tuple[FallbackStep, ...]
    left_out: tuple[str, ...]
    leads: bool


def choose_link_model(protocol: Protocol, analysis: Analysis, data: pd.DataFrame) -> LinkChoice:
    """Choose the model of an endpoint of grades or responders.

    Parameters
    ----------
    protocol
        The trial's protocol: its design and covariates.
    analysis
        One of its analyses; its own ``model`` and ``fallback`` go first.
    data
        The long frame of ``trial.endpoint(analysis.endpoint)``.

    Returns
    -------
    LinkChoice

    Raises
    ------
    FormulaError
        Where the protocol's own formula cannot be read.
    """
    facts = protocol.endpoint(analysis.endpoint)
    if analysis.model is not None:
        formula = analysis.model
        at = {"visit": analysis.visit} if is_over_visits(formula) else {}
        fallback = fallback_formulas(formula, analysis.fallback)[1:]
        return LinkChoice(facts.scale, formula, at, "The model is the protocol's own.", fallback, True)
    observed = data[data["value"].notna() & (data["visit"].astype(str) == analysis.visit)]
    within = protocol.is_within_patient
    level = "lesion" if within else "patient"
    covariates = [*_baseline(data, facts.has_baseline, within=within), *_covariates(protocol, data, level)]
    several = bool(observed["patient"].duplicated().any())
    random = "(1 | patient)" if several else ""
    plain = _with(" + ".join(["value ~ arm"]), random)
    formula = _with(_join("value ~ arm", covariates), random)
    what = "cumulative logit model (proportional odds)" if facts.scale == "ordinal" else "logistic model"
    if several and within:
        reason = f"Within-patient design: a {what} with random intercepts of the patients."
    elif several:
        reason = (
            f"Parallel design with several lesions a patient: a {what} with random intercepts of patients."
        )
    else:
        reason = f"Parallel design with one value a patient: a {what} with fixed effects."
    terms = tuple(dict.fromkeys(one for one in (plain,) if one != formula))
    fallback = fallback_formulas(formula, analysis.fallback)[1:] if analysis.fallback else terms
    return LinkChoice(facts.scale, formula, {}, reason, fallback, bool(random or covariates))


def _with(fixed: str, random: str) -> str:
    return f"{fixed} + {random}" if random else fixed


def fit_link_model(choice: LinkChoice, rows: pd.DataFrame, arms: Mapping[str, Iterable[str]]) -> LinkOutcome:
    """Fit a model of grades or responders, or the first of what stands in for it.

    Tried in order: the model; its fallbacks; the same without the arms in which every unit had the same extreme
    outcome. The likelihood has no maximum with such an arm; it rises towards odds of zero (or without end), where that
    arm's rows are certain and say nothing of the others: what is left has the limit's estimates (Albert A & Anderson JA
    1984, Biometrika 71:1). Responders without random effects: Firth's penalty at last. A fit whose random effects run
    away is left like one that did not converge.

    Parameters
    ----------
    choice
        The model.
    rows
        The rows offered to it, all of the endpoint or those of the visit.
    arms
        The protocol's arms: what is left has to hold a combination and a part of it.

    Returns
    -------
    LinkOutcome
        Where nothing could be fitted, without a fit; the walk says why.
    """
    known = rows[rows["value"].notna()]
    walk: list[FallbackStep] = []
    for formula in dict.fromkeys((choice.formula, *choice.fallback)):
        fit = _tried(choice, formula, known, "", walk)
        if fit is not None:
            return LinkOutcome(fit, formula, tuple(walk), (), choice.leads)
    gone = _without_odds(known, choice)
    rest = known[~known["arm"].astype(str).isin(gone)]
    if gone and _has_a_comparison(rest, arms):
        rest = rest.assign(arm=rest["arm"].astype(object))
        rest["arm"] = pd.Categorical(rest["arm"], [one for one in arms if one in set(rest["arm"])])
        for formula in dict.fromkeys((choice.formula, *choice.fallback)):
            fit = _tried(choice, formula, rest, f", without {' and '.join(gone)}", walk)
            if fit is not None:
                return LinkOutcome(fit, formula, tuple(walk), gone, False)
    firth = choice.scale == "binary" and not parse_formula(choice.formula).random
    if firth:
        for formula in dict.fromkeys((choice.formula, *choice.fallback)):
            fit = _tried(choice, formula, known, ", with Firth's penalty", walk, "firth")
            if fit is not None:
                return LinkOutcome(fit, formula, tuple(walk), (), False)
    return LinkOutcome(None, choice.formula, tuple(walk), (), False)


def _tried(
    choice: LinkChoice,
    formula: str,
    rows: pd.DataFrame,
    how: str,
    walk: list[FallbackStep],
    penalty: str | None = None,
) -> OrdinalFit | GeneralizedFit | None:
    """Fit one formula and write down how it went."""
    from analyses.generalized import fit_generalized_model
    from analyses.ordinal import fit_ordinal_model

    text = f"{formula}{how}"
    fit: OrdinalFit | GeneralizedFit
    try:
        if choice.scale == "ordinal":
            fit = fit_ordinal_model(formula, rows)
        else:
            fit = fit_generalized_model(formula, rows, family="binomial", penalty=penalty)
    except (ModelError, DesignError) as error:
        got = error.got if isinstance(error.got, str) else ""
        sentence = error.message[:1].upper() + error.message[1:]
        walk.append(FallbackStep(text, REFUSED, f"{sentence.rstrip('.')}.", got))
        return None
    if not fit.converged:
        left = FallbackStep(
            text, NOT_CONVERGED, "The search for its estimates did not converge.", fit.convergence.sentence
        )
        walk.append(left)
        return None
    runaway = next((note for note in fit.notes if note.startswith(RUNAWAY)), "")
    if runaway:  # its limits can look narrow: they are those of a variance on its way to infinity
        walk.append(FallbackStep(text, REFUSED, runaway.removesuffix(ADVICE)))
        return None
    walk.append(FallbackStep(text, FITTED, fit.convergence.sentence))
    return fit


def _without_odds(rows: pd.DataFrame, choice: LinkChoice) -> tuple[str, ...]:
    """Return the arms whose units all had the lowest outcome of the data, or all the highest."""
    from analyses.ordinal import grade_codes

    if choice.at:
        rows = rows[rows["visit"].astype(str) == next(iter(choice.at.values()))]
    if not len(rows):
        return ()
    codes = pd.Series(grade_codes(rows, "value")[0], index=rows.index)
    ends = {float(codes.min()), float(codes.max())}
    by_arm = codes.groupby(rows["arm"].astype(str), sort=False)
    extreme = [str(arm) for arm, own in by_arm if own.nunique() == 1 and float(own.iloc[0]) in ends]
    return tuple(extreme)


def _has_a_comparison(rows: pd.DataFrame, arms: Mapping[str, Iterable[str]]) -> bool:
    """Whether the rows hold a combination and a part of it, and more than one outcome."""
    from outcomes.arms import Arms

    present = set(rows["arm"].astype(str))
    whole = arms if isinstance(arms, Arms) else Arms(arms)
    if rows["value"].nunique() < 2:
        return False
    return any(
        label in present and any(part in present for part in whole.parts(label))
        for label in whole.combinations
    )


def renamed(choice: LinkChoice, name: str) -> LinkChoice:
    """Return a choice whose formulas read ``value`` where the protocol's read the endpoint's own name."""

    def changed(formula: str) -> str:
        left, tilde, right = formula.partition("~")
        return f"value {tilde}{right}" if left.strip().strip("`") == name else formula

    return replace(
        choice, formula=changed(choice.formula), fallback=tuple(changed(one) for one in choice.fallback)
    )
