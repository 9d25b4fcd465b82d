"""From a frame to estimates: mixed models, marginal means, and what a combination of therapies adds.

>>> from analyses import fit_mixed_model, marginal_means, compare_therapies
"""

from analyses.claims.verdict import Verdict
from analyses.classical.classical_grades import cross_tabulate, stratified_wilcoxon
from analyses.classical.rank_comparison import compare_grades
from analyses.classical.responders import compare_responders
from analyses.classical.score_interval import miettinen_nurminen, tango_interval
from analyses.combination import compare_therapies
from analyses.examine.model_comparison import ModelComparison, compare_models
from analyses.formula import MixedFormula, parse_formula
from analyses.generalized import GeneralizedFit, fit_generalized_model
from analyses.marginal_means import ContrastTable, MarginalMeans, marginal_means
from analyses.means.graphical import GraphicalProcedure
from analyses.mixed_model import fit_mixed_model
from analyses.mixed_model_fit import MixedModelFit
from analyses.multiplicity import adjust_p_values
from analyses.ordinal import OrdinalFit, fit_ordinal_model
from analyses.probability.gee import MarginalFit, fit_marginal_model
from analyses.probability.probability_scale import MarginalProbabilities, marginal_probabilities, odds_ratios
from analyses.probability.probability_verdict import compare_probabilities
from analyses.probability.superiority import model_superiority

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
