"""The primary model fitted again by other programs: statsmodels, and R where it is installed."""

from reports.second_opinion.opinions import second_opinions
from reports.second_opinion.problem import OURS, SUFFIX, Answer, Problem, Refusal

__all__ = ["OURS", "SUFFIX", "Answer", "Problem", "Refusal", "second_opinions"]
