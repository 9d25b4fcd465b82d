"""From a frame to estimates: mixed models, marginal means, and what a combination of therapies adds.

>>> from analyses import fit_mixed_model, marginal_means, compare_therapies
"""

from importlib import import_module
from typing import TYPE_CHECKING

from analyses.formula import MixedFormula, parse_formula
from analyses.marginal_means import ContrastTable, MarginalMeans, marginal_means
from analyses.mixed_model import fit_mixed_model
from analyses.mixed_model_fit import MixedModelFit
from analyses.multiplicity import adjust_p_values

if TYPE_CHECKING:
    from analyses.claims.verdict import Verdict
    from analyses.classical.classical_grades import cross_tabulate, stratified_wilcoxon
    from analyses.classical.rank_comparison import compare_grades
    from analyses.classical.responders import compare_responders
    from analyses.classical.score_interval import miettinen_nurminen, tango_interval
    from analyses.combination import compare_therapies
    from analyses.examine.model_comparison import ModelComparison, compare_models
    from analyses.generalized import GeneralizedFit, fit_generalized_model
    from analyses.means.graphical import GraphicalProcedure
    from analyses.ordinal import OrdinalFit, fit_ordinal_model
    from analyses.probability.gee import MarginalFit, fit_marginal_model
    from analyses.probability.probability_scale import (
        MarginalProbabilities,
        marginal_probabilities,
        odds_ratios,
    )
    from analyses.probability.probability_verdict import compare_probabilities
    from analyses.probability.superiority import model_superiority

_LATER = {
    "Verdict": "analyses.claims.verdict",
    "cross_tabulate": "analyses.classical.classical_grades",
    "stratified_wilcoxon": "analyses.classical.classical_grades",
    "compare_grades": "analyses.classical.rank_comparison",
    "compare_responders": "analyses.classical.responders",
    "miettinen_nurminen": "analyses.classical.score_interval",
    "tango_interval": "analyses.classical.score_interval",
    "compare_therapies": "analyses.combination",
    "ModelComparison": "analyses.examine.model_comparison",
    "compare_models": "analyses.examine.model_comparison",
    "GeneralizedFit": "analyses.generalized",
    "fit_generalized_model": "analyses.generalized",
    "GraphicalProcedure": "analyses.means.graphical",
    "OrdinalFit": "analyses.ordinal",
    "fit_ordinal_model": "analyses.ordinal",
    "MarginalFit": "analyses.probability.gee",
    "fit_marginal_model": "analyses.probability.gee",
    "MarginalProbabilities": "analyses.probability.probability_scale",
    "marginal_probabilities": "analyses.probability.probability_scale",
    "odds_ratios": "analyses.probability.probability_scale",
    "compare_probabilities": "analyses.probability.probability_verdict",
    "model_superiority": "analyses.probability.superiority",
}
"""Names that are imported when they are first asked for, so that what is not used costs no time."""

__all__ = [
    "ContrastTable",
    "GeneralizedFit",
    "GraphicalProcedure",
    "MarginalFit",
    "MarginalMeans",
    "MarginalProbabilities",
    "MixedFormula",
    "MixedModelFit",
    "ModelComparison",
    "OrdinalFit",
    "Verdict",
    "adjust_p_values",
    "compare_grades",
    "compare_models",
    "compare_probabilities",
    "compare_responders",
    "compare_therapies",
    "cross_tabulate",
    "fit_generalized_model",
    "fit_marginal_model",
    "fit_mixed_model",
    "fit_ordinal_model",
    "marginal_means",
    "marginal_probabilities",
    "miettinen_nurminen",
    "model_superiority",
    "odds_ratios",
    "parse_formula",
    "stratified_wilcoxon",
    "tango_interval",
]


def __getattr__(name: str) -> object:
    if name in _LATER:
        value: object = getattr(import_module(_LATER[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
