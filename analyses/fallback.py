"""Simpler covariances to fall back on where a model cannot be fitted, tried in order, with the walk written down.

Trial protocols name such a list in advance ("if the unstructured covariance does not converge, heterogeneous Toeplitz,
then heterogeneous compound symmetry"), so that no covariance is chosen after the results were seen: Mallinckrodt, Lane,
Schnell, Peng and Mancuso (2008, Drug Information Journal 42:303-319); Lu and Mehrotra (2010, Statistics in Medicine
29:474-488). A covariance is left only where it fails: where the data cannot carry it, or where the search for its
estimates does not converge. An estimate on the boundary of the parameter space (a variance of zero, a correlation of
one) is an answer, not a failure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeVar

from analyses.formula import CovarianceTerm, MixedFormula, RandomTerm, ResidualTerm, parse_formula
from outcomes.errors import ConvergenceError, FormulaError, ModelError

ON_FAILURE = ("return", "raise", "fallback")
"""What `fit_mixed_model` does with a model that could not be fitted."""

FITTED, NOT_CONVERGED, REFUSED = "fitted", "not converged", "refused"
"""Outcomes of an attempt."""

TIME_WORDS = ("visit", "week", "day", "month", "year", "time", "hour", "session", "occasion", "period")
"""A coordinate whose name holds one of these is a course in time: only there do lags have a meaning."""

_SIMPLER = {
    "us": ("toeph", "csh"),
    "adh": ("toeph", "csh"),
    "toeph": ("csh",),
    "ar1h": ("csh",),
    "csh": (),
    "ad": ("toep", "cs"),
    "toep": ("cs",),
    "ar1": ("cs",),
    "sp_exp": ("cs",),
    "cs": (),
}
"""Structure -> the simpler ones to try, in order."""

_OF_LAGS = ("toep", "toeph", "ar1", "ar1h", "ad", "adh", "sp_exp")


@dataclass(frozen=True, slots=True)
class FallbackStep:
    """One model that was tried.

    Attributes
    ----------
    formula
        The model.
    outcome
        ``fitted`` (the last one), ``not converged``, or ``refused``: the data cannot carry it.
    sentence
        Why it was left, or, of the one that was fitted, how the search for its estimates ended.
    detail
        The numbers behind the sentence, where there are some.
    """

    formula: str
    outcome: str
    sentence: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.formula}: {self.outcome}. {self.sentence}"


class _Fit(Protocol):
    @property
    def convergence(self) -> Any:
        """How the search ended: its truth, and a ``sentence``."""


FitT = TypeVar("FitT", bound=_Fit)


def first_that_fits(
    formulas: Sequence[str], fit: Callable[[str], FitT]
) -> tuple[FitT, tuple[FallbackStep, ...]]:
    """Fit the first model of a list that can be fitted.

    Parameters
    ----------
    formulas
        Complete formulas in the order in which they are tried; each is tried once.
    fit
        Fits one; raises `ModelError` where the data cannot carry it.

    Returns
    -------
    fit, tuple of FallbackStep
        The fit, and every model that was tried, the one fitted last.

    Raises
    ------
    ModelError
        Where every model is refused for the same reason, which then is the data's and not the covariance's.
    ConvergenceError
        Where none can be fitted for reasons of their own; ``steps`` holds the whole walk.
    """
    steps: list[FallbackStep] = []
    errors: list[ModelError] = []
    for formula in dict.fromkeys(formulas):
        try:
            found = fit(formula)
        except ModelError as error:
            got = error.got if isinstance(error.got, str) else ""
            errors.append(error)
            steps.append(FallbackStep(formula, REFUSED, _sentence(error.message), got))
            continue
        ended = found.convergence.sentence
        if found.convergence:
            return found, (*steps, FallbackStep(formula, FITTED, ended))
        steps.append(
            FallbackStep(
                formula, NOT_CONVERGED, "The search for its estimates did not converge.", detail=ended
            )
        )
    if not steps:
        raise ModelError("no model was chosen", expected="a formula")
    if len(errors) == len(steps) and len({error.message for error in errors}) == 1:
        raise errors[0]
    raise ConvergenceError(
        "no covariance of the list could be fitted" if len(steps) > 1 else "the model did not converge",
        expected="a covariance that these data can carry",
        hint="add a simpler covariance to the list, such as random intercepts (1 | patient)",
        steps=tuple(map(str, steps)),
    )


def fallback_formulas(formula: str, fallback: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the complete formulas of a walk, the model's own first.

    Parameters
    ----------
    formula
        The model that was planned.
    fallback
        What to try in its place, in order: covariance terms (``"csh(visit | patient)"``), random terms
        (``"(1 | patient/lesion)"``), sums of both, or complete formulas. A term stands in for all covariance and random
        terms of the formula; the fixed effects stay. None for `default_fallback`.

    Raises
    ------
    FormulaError
        Where one of them cannot be read: before anything is fitted.
    """
    parts = parse_formula(formula)
    terms = default_fallback(parts) if fallback is None else tuple(fallback)
    return (formula, *(_complete(parts, term) for term in terms))


def _complete(parts: MixedFormula, term: str) -> str:
    if not isinstance(term, str):
        raise FormulaError(
            "a fallback must be a text", expected="a term such as 'csh(visit | patient)'", got=repr(term)
        )
    if "~" in term:
        parse_formula(term)
        return term
    complete = f"{parts.fixed} + {term}"
    found = parse_formula(complete)
    if (found.residual is None and not found.random) or found.fixed != parts.fixed:
        raise FormulaError(
            "not a covariance to fall back on",
            expected="covariance or random terms such as 'csh(visit | patient)' or '(1 | patient)', or a whole formula",
            got=repr(term),
        )
    return complete


def default_fallback(parts: MixedFormula) -> tuple[str, ...]:
    """Return the terms that are tried where a protocol names none: each with fewer parameters than the one before.

    ======================================  ==============================================================
    covariance                              then
    ======================================  ==============================================================
    ``us(visit | patient)``                 ``toeph``, ``csh``, ``(1 | patient)``
    ``us(arm | patient)``                   ``csh``, ``(1 | patient)``: arms have no lags
    ``us(visit | arm / patient)``           ``toeph``, ``csh``, ``cs``, each by arm; ``(1 | patient)``
    ``us(arm | patient) @ us(visit)``       ``us @ toeph``, ``us @ csh``, ``csh @ csh``, ``(1 | patient/arm)``
    ``(1 + week | patient)``                ``(1 + week || patient)``, ``(1 | patient)``
    ``(0 + visit | patient)``               random intercepts with the lesions' covariance as it is, then with
    ``+ us(visit | patient:lesion)``        simpler ones, then ``(1 | patient/lesion)``
    ======================================  ==============================================================

    Toeplitz structures are tried only over a course in time (see `TIME_WORDS`). Subjects and groups stay as they are;
    random intercepts, which give every level one variance, come last.
    """
    intercepts = _intercepts(parts)
    residuals = _simpler_residuals(parts.residual) if parts.residual is not None else ()
    found: list[str] = []
    if parts.random:
        found += _simpler_random(parts.random, parts.residual)
        plain = " + ".join(dict.fromkeys(f"(1 | {_joined(term.subject)})" for term in parts.random))
        found += [f"{plain} + {term}" for term in residuals]
    else:
        found += residuals
    if intercepts:
        found.append(intercepts)
    own = (parts.random, parts.residual)
    read = {term: parse_formula(f"{parts.fixed} + {term}") for term in found}
    return tuple(term for term, complete in read.items() if (complete.random, complete.residual) != own)


def _intercepts(parts: MixedFormula) -> str:
    """Random intercepts of every subject; in a direct product also of its first coordinate within the subject."""
    subjects = list(parts.subjects)
    if parts.residual is not None and len(parts.residual.factors) > 1:
        subjects.append((*parts.residual.subject, parts.residual.factors[0].coordinate))
    subjects.sort(key=len)
    if all(longer[: len(subject)] == subject for subject, longer in pairwise(subjects)):
        within = (_joined(longer[len(subject) :]) for subject, longer in pairwise(subjects))
        return f"(1 | {'/'.join([_joined(subjects[0]), *within])})" if subjects else ""
    return " + ".join(f"(1 | {_joined(subject)})" for subject in subjects)


def _simpler_random(terms: Sequence[RandomTerm], residual: ResidualTerm | None) -> list[str]:
    """Random terms without their correlations, then intercepts alone, the residual covariance as it is."""
    kept = [residual.text] if residual is not None else []
    if all(term.design.strip() == "1" for term in terms):
        return []
    uncorrelated = [
        f"({term.design} {'|' if term.design.strip() == '1' else '||'} {_joined(term.subject)})"
        for term in terms
    ]
    plain = list(dict.fromkeys(f"(1 | {_joined(term.subject)})" for term in terms))
    # Effects of a factor's levels (0 + visit) have no intercept: without their correlation nothing joins the levels.
    of_levels = any(term.design.replace(" ", "").startswith("0+") for term in terms)
    correlated = any(term.correlated and term.design.strip() != "1" for term in terms)
    steps = [plain] if of_levels or not correlated else [uncorrelated, plain]
    return [" + ".join([*step, *kept]) for step in steps]


def _simpler_residuals(term: ResidualTerm) -> tuple[str, ...]:
    subject = _joined(term.subject)
    whose = f"{_joined((term.group,))} / {subject}" if term.group else subject
    if len(term.factors) > 1:
        return _simpler_products(term.factors, whose)
    factor = term.factors[0]
    names = list(_ladder(factor))
    if term.group and "cs" not in (factor.structure, *names):
        names.append("cs")  # the groups keep a spread each to the last
    return tuple(f"{name}({_joined((factor.coordinate,))} | {whose})" for name in names)


def _ladder(factor: CovarianceTerm) -> tuple[str, ...]:
    in_time = any(word in factor.coordinate.casefold() for word in TIME_WORDS)
    return tuple(name for name in _SIMPLER[factor.structure] if in_time or name not in _OF_LAGS)


def _simpler_products(factors: Sequence[CovarianceTerm], whose: str) -> tuple[str, ...]:
    """Simplify the last factor step by step, then the one before it."""
    names, found = [factor.structure for factor in factors], []
    for at in reversed(range(len(factors))):
        for name in _ladder(factors[at]):
            names[at] = name
            found.append(_product(names, factors, whose))
    return tuple(found)


def _product(names: Sequence[str], factors: Sequence[CovarianceTerm], whose: str) -> str:
    columns = [_joined((factor.coordinate,)) for factor in factors]
    rest = (f"{name}({column})" for name, column in zip(names[1:], columns[1:], strict=True))
    return " @ ".join([f"{names[0]}({columns[0]} | {whose})", *rest])


def _joined(columns: Sequence[str]) -> str:
    """Columns as a formula has them, in backticks where a name is none."""
    return ":".join(name if name.replace(".", "_").isidentifier() else f"`{name}`" for name in columns)


def _sentence(message: str) -> str:
    return f"{message[:1].upper()}{message[1:].rstrip('.')}."


def fit_or_fall_back(
    formula: str, fit: Callable[[str], FitT], on_failure: str, fallback: Sequence[str] | None
) -> tuple[FitT, tuple[FallbackStep, ...]]:
    """Fit a model, and do what was asked for where it cannot be fitted.

    Parameters
    ----------
    formula, on_failure, fallback
        Of `analyses.fit_mixed_model`.
    fit
        Fits one formula.

    Returns
    -------
    fit, tuple of FallbackStep
        The fit, and the walk where fallbacks were to be tried; else empty.

    Raises
    ------
    ModelError
        Where ``on_failure`` is unknown, a list of fallbacks would not be walked, or as `fit` and `first_that_fits`.
    ConvergenceError
        As `first_that_fits`; with ``raise`` where the model did not converge.
    """
    if on_failure not in ON_FAILURE:
        raise ModelError(
            "unknown on_failure", expected=f"one of {', '.join(ON_FAILURE)}", got=repr(on_failure)
        )
    if fallback is not None and (isinstance(fallback, str) or on_failure != "fallback"):
        raise ModelError(
            "fallbacks are a list, and are walked on request only",
            expected='on_failure="fallback", fallback=["csh(visit | patient)", "(1 | patient)"]',
            got=f"on_failure={on_failure!r}, fallback={fallback!r}",
        )
    if on_failure == "fallback":
        return first_that_fits(fallback_formulas(formula, fallback), fit)
    found = fit(formula)
    if on_failure == "raise" and not found.convergence:
        raise ConvergenceError("the model did not converge", got=found.convergence.sentence, where=formula)
    return found, ()
