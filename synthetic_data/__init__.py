"""Trials with a known truth: explicit mechanism, frozen scenarios, the same bytes for the same seed."""

from synthetic_data.dropout import MAR, MCAR, MNAR, History
from synthetic_data.generate import SyntheticTrial, simulate_frames, simulate_trial, write_scenario
from synthetic_data.scenario import Scenario, list_scenarios, load_scenario
from synthetic_data.simulate import Outcomes, simulate_outcomes
from synthetic_data.truth import true_means, true_values

__all__ = [
    "MAR",
    "MCAR",
    "MNAR",
    "History",
    "Outcomes",
    "Scenario",
    "SyntheticTrial",
    "list_scenarios",
    "load_scenario",
    "simulate_frames",
    "simulate_outcomes",
    "simulate_trial",
    "true_means",
    "true_values",
    "write_scenario",
]
