"""Gauss-Hermite rules in the form that adaptive quadrature of a cluster's random effect needs.

With the integrand's mode m and scale s, ``int phi(u) exp(l(u)) du = s sum_q w_q exp(h(m + s t_q))`` where
``h(u) = l(u) - u^2 / 2``: the nodes t are those of the standard normal weight, and the weights have that weight
taken out again (Liu Q & Pierce DA 1994, Biometrika 81:624; Pinheiro JC & Bates DM 1995, J Comput Graph Stat 4:12).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from outcomes.errors import ModelError

__all__ = ["MAX_NODES", "Rule", "adaptive_rule", "check_nodes", "normal_rule"]

Array = NDArray[np.float64]
MAX_NODES = 100
"""Nodes beyond which the outermost weights underflow; 15 settle six digits in any but extreme data."""


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """A quadrature rule: nodes t and log-weights, shape (nodes,) each."""

    nodes: Array
    log_weights: Array


def check_nodes(quadrature: int) -> None:
    """Refuse what is no number of nodes.

    Raises
    ------
    ModelError
        Unless it is a whole number from 1 to `MAX_NODES`.
    """
    whole = isinstance(quadrature, int | np.integer) and not isinstance(quadrature, bool)
    if not whole or not 1 <= quadrature <= MAX_NODES:
        raise ModelError(
            "quadrature is the number of nodes",
            expected=f"a whole number from 1 (Laplace's approximation) to {MAX_NODES}",
            got=quadrature,
        )


@cache
def adaptive_rule(quadrature: int) -> Rule:
    """Return the rule for an integrand that was moved to its mode and scaled by its curvature.

    Parameters
    ----------
    quadrature
        Number of nodes; 1 is Laplace's approximation.
    """
    x, w = np.polynomial.hermite.hermgauss(quadrature)
    return Rule(np.sqrt(2) * x, np.log(w) + x**2 - np.log(np.pi) / 2)


@cache
def normal_rule(quadrature: int) -> Rule:
    """Return the rule for an average over a standard normal variable: ``sum exp(log_weights) g(nodes)``."""
    x, w = np.polynomial.hermite.hermgauss(quadrature)
    return Rule(np.sqrt(2) * x, np.log(w) - np.log(np.pi) / 2)
