"""A model's formula in words: its fixed effects, and what it says of spread and correlation."""

from __future__ import annotations

import re

from reports.format import join_words, sentence_case

COVARIATE_NAMES = {"fitzpatrick": "Fitzpatrick skin type"}
"""Usual names of covariates -> what the report calls them."""


def covariate_name(name: str) -> str:
    """Return a covariate's name for people."""
    return COVARIATE_NAMES.get(name.casefold(), sentence_case(name.replace("_", " ")))


COVARIANCES = {
    "us": "an unstructured covariance",
    "cs": "a compound-symmetric covariance",
    "csh": "a compound-symmetric covariance with unequal variances",
    "toep": "a Toeplitz covariance",
    "toeph": "a Toeplitz covariance with unequal variances",
    "ar1": "a first-order autoregressive covariance",
    "ar1h": "a first-order autoregressive covariance with unequal variances",
    "ad": "an ante-dependence covariance",
    "adh": "an ante-dependence covariance with unequal variances",
    "sp_exp": "a covariance that fades exponentially with time",
}
"""Covariance structures of a model formula in words."""


def covariance_words(formula: str) -> str:
    """Return what a model formula says of spread and correlation, in words: "random intercepts of patients"."""
    terms = re.findall(r"(\w*)\(([^()|]*)\|\|?([^()]*)\)(?:\s*@\s*(\w+)\((\w+)\))?", formula)
    return join_words(
        _covariance_term(kind, left.strip(), right.strip())
        + (f" times {COVARIANCES.get(other, other)} over the {of}s" if other else "")
        for kind, left, right, other, of in terms
    )


def _covariance_term(kind: str, over: str, group: str) -> str:
    by, _, whose = group.rpartition("/")
    owner = "lesion" if whose.strip().endswith("lesion") else whose.strip()
    if kind in COVARIANCES:
        each = f" for each {by.strip()}" if by else ""
        return f"{COVARIANCES[kind]} over the {over}s of a {owner}{each}"
    if not kind and over == "1":
        nested = " and of their lesions" if "/" in group else ""
        return f"random intercepts of {group.split('/')[0].strip()}s{nested}"
    if not kind and over.startswith("0 +"):
        return f"random effects of each {over.removeprefix('0 +').strip()} of a {owner}"
    return f"{kind}({over} | {group})"


TERM_NAMES = {
    "baseline_mean": "the patient's mean baseline",
    "baseline_deviation": "the lesion's deviation from it",
}
"""Terms that default models have -> what people call them."""


def fixed_words(formula: str) -> str:
    """Return the fixed effects of a model formula in words: "arm, visit and age, and the interaction arm by visit"."""
    right = formula.partition("~")[2]
    mains: dict[str, None] = {}
    interactions: dict[str, None] = {}
    for term in _terms(right):
        if "|" in term:
            continue
        crossed = [name.strip() for name in term.split("*")]
        factors = [name.strip() for name in term.split(":")]
        if len(crossed) > 1:
            mains |= dict.fromkeys(_term_name(name) for name in crossed)
            interactions[" by ".join(_short_name(name) for name in crossed)] = None
        elif len(factors) > 1:
            interactions[" by ".join(_short_name(name) for name in factors)] = None
        elif term not in ("1", "0", ""):
            mains[_term_name(term)] = None
    words = join_words(mains) or "the overall mean alone"
    if not interactions:
        return words
    plural = "s" if len(interactions) > 1 else ""
    return f"{words}, and the interaction{plural} {join_words(interactions)}"


def _terms(right: str) -> list[str]:
    """Split a formula's right side at the plus signs that stand in no parentheses."""
    terms, depth, begin = [], 0, 0
    for place, letter in enumerate(right):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "+" and depth == 0:
            terms.append(right[begin:place].strip())
            begin = place + 1
    return [*terms, right[begin:].strip()]


def _term_name(name: str) -> str:
    if not re.fullmatch(r"\w+", name):
        return name
    return TERM_NAMES.get(name, COVARIATE_NAMES.get(name.casefold(), name.replace("_", " ")))


def _short_name(name: str) -> str:
    return {"baseline_mean": "mean baseline", "baseline_deviation": "deviation"}.get(name, _term_name(name))
