"""Graphical multiple test procedures: weights on hypotheses, and where a rejected hypothesis passes its weight on.

Bretz, Maurer, Brannath and Posch (2009), Statistics in Medicine 28:586: a shortcut to the closed test in which every
intersection of hypotheses is tested by a weighted Bonferroni test, so the familywise error rate is kept whatever the
dependence. Holm's procedure, fixed sequences, fallback and gatekeeping are graphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outcomes.errors import ModelError

Array = NDArray[np.float64]

SLACK = 1e-9
"""Rounding allowed where a sum may not exceed one, such as that of three thirds."""


@dataclass(frozen=True, slots=True)
class GraphicalTest:
    """What a graphical procedure says of a set of p-values.

    Attributes
    ----------
    names
        Hypotheses, in the procedure's order.
    adjusted
        Adjusted p-values, shape (k,): the smallest alpha at which each hypothesis is rejected.
    rejected
        Whether each is rejected at ``alpha``.
    alpha
        Familywise error rate.
    order
        Rejected hypotheses in the order of rejection.
    weights
        Weights left after the rejections; zero for what is rejected.
    """

    names: tuple[str, ...]
    adjusted: tuple[float, ...]
    rejected: tuple[bool, ...]
    alpha: float
    order: tuple[str, ...]
    weights: tuple[float, ...]

    def __str__(self) -> str:
        head = f"Graphical procedure at familywise alpha {self.alpha:g}"
        width = max(len(name) for name in self.names)
        lines = [
            f"{name:<{width}}  adjusted p {p:.4f}  {'rejected' if yes else 'not rejected'}"
            for name, p, yes in zip(self.names, self.adjusted, self.rejected, strict=True)
        ]
        return "\n".join([head, *lines])


@dataclass(frozen=True, slots=True, init=False)
class GraphicalProcedure:
    """Weights on hypotheses and the shares in which a rejected one passes its weight on.

    Parameters
    ----------
    weights
        Share of alpha that each hypothesis starts with: ``{"name": share}`` or numbers; at least 0, at most 1 in all.
    transitions
        Row i, column j: share of hypothesis i's weight that goes to j where i is rejected. A square matrix in the
        order of the weights, or ``{"from": {"to": share}}`` (what is not named is 0). Diagonal 0, rows at most 1.
    names
        Names of hypotheses given as numbers; ``H1``, ``H2`` and so on where there are none.

    Raises
    ------
    ModelError
        Where weights or transitions are not of this shape.

    Examples
    --------
    >>> gate = GraphicalProcedure({"primary": 1.0, "secondary": 0.0}, {"primary": {"secondary": 1.0}})
    >>> gate.adjusted_p_values([0.03, 0.01]).tolist()
    [0.03, 0.03]
    """

    names: tuple[str, ...]
    named: bool
    weights: tuple[float, ...]
    transitions: tuple[tuple[float, ...], ...]

    def __init__(
        self,
        weights: Mapping[str, float] | Sequence[float] | Array,
        transitions: Mapping[str, Mapping[str, float]] | Sequence[Sequence[float]] | Array,
        names: Sequence[str] | None = None,
    ) -> None:
        if isinstance(weights, Mapping):
            if names is not None:
                raise ModelError(
                    "hypotheses are named twice", expected="weights by name, or names beside them"
                )
            labels, shares = tuple(weights), list(weights.values())
        else:
            shares = list(weights)
            labels = tuple(f"H{at + 1}" for at in range(len(shares))) if names is None else tuple(names)
        start = _numbers(shares, "weights of hypotheses")
        if len(labels) != len(start) or len(set(labels)) != len(labels) or not labels:
            raise ModelError(
                "each hypothesis needs one name of its own",
                expected=f"{len(start)} different names",
                got=", ".join(labels) or "none",
            )
        passed = _transition_matrix(transitions, labels)
        _check_shares(start, passed, labels)
        object.__setattr__(self, "names", labels)
        object.__setattr__(self, "named", isinstance(weights, Mapping) or names is not None)
        object.__setattr__(self, "weights", tuple(float(share) for share in start))
        object.__setattr__(self, "transitions", tuple(tuple(float(g) for g in row) for row in passed))

    @classmethod
    def holm(cls, names: Sequence[str]) -> GraphicalProcedure:
        """Holm (1979): equal weights, each passed on in equal shares to all others."""
        k = len(names)
        share = 1 / (k - 1) if k > 1 else 0.0
        return cls(np.full(k, 1 / max(k, 1)), share * (np.ones((k, k)) - np.eye(k)), names)

    @classmethod
    def fixed_sequence(cls, names: Sequence[str]) -> GraphicalProcedure:
        """Each hypothesis at full alpha, after all before it were rejected (Maurer, Hothorn and Lehmacher 1995)."""
        return cls(np.eye(1, len(names))[0], np.eye(len(names), k=1), names)

    @classmethod
    def fallback(cls, weights: Mapping[str, float]) -> GraphicalProcedure:
        """Wiens (2003): in order, each passing its weight to the next."""
        return cls(weights, np.eye(len(weights), k=1))

    def adjusted_p_values(self, p_values: ArrayLike | Mapping[str, float]) -> Array:
        """Adjusted p-values (Bretz et al. 2009, Algorithm 2), shape (k,).

        Parameters
        ----------
        p_values
            In the procedure's order, or by name. NaN (not testable) stays NaN and is never rejected: its weight
            is not passed on.
        """
        return self._walk(self._ordered(p_values))[0]

    def test(self, p_values: ArrayLike | Mapping[str, float], alpha: float = 0.05) -> GraphicalTest:
        """Which hypotheses are rejected at a familywise error rate, and in which order.

        Parameters
        ----------
        p_values
            In the procedure's order, or by name.
        alpha
            Familywise error rate, of the same sidedness as the p-values.
        """
        if not 0 < alpha < 1:
            raise ModelError("alpha is not a probability", expected="a number between 0 and 1", got=alpha)
        p = self._ordered(p_values)
        adjusted, order = self._walk(p)
        rejected = [bool(value <= alpha) for value in adjusted]
        first = [at for at in order if rejected[at]]
        weights = self.weights_without(self.names[at] for at in first)
        return GraphicalTest(
            self.names,
            tuple(float(value) for value in adjusted),
            tuple(rejected),
            alpha,
            tuple(self.names[at] for at in first),
            tuple(float(weight) for weight in weights),
        )

    def weights_without(self, rejected: Iterable[str]) -> Array:
        """Weights after hypotheses are rejected, in whatever order, shape (k,); zero for the rejected."""
        weights, passed = np.array(self.weights), np.array(self.transitions)
        for name in rejected:
            weights, passed = _reject(weights, passed, self.names.index(name))
        return weights

    def _ordered(self, p_values: ArrayLike | Mapping[str, float]) -> Array:
        if isinstance(p_values, Mapping):
            if set(p_values) != set(self.names):
                raise ModelError(
                    "p-values are not of the procedure's hypotheses",
                    expected=", ".join(self.names),
                    got=", ".join(map(str, p_values)),
                )
            values = np.array([p_values[name] for name in self.names], dtype=float)
        else:
            values = np.atleast_1d(np.asarray(p_values, dtype=float))
        if values.shape != (len(self.names),):
            raise ModelError(
                "a graphical procedure needs one p-value a hypothesis",
                expected=f"{len(self.names)}: {', '.join(self.names)}",
                got=f"shape {values.shape}",
            )
        return probabilities(values)

    def _walk(self, p: Array) -> tuple[Array, list[int]]:
        """Adjusted p-values, and the order in which hypotheses fall as alpha grows."""
        weights, passed = np.array(self.weights), np.array(self.transitions)
        adjusted = np.full(len(p), np.nan)
        open_, order, reached = set(np.flatnonzero(np.isfinite(p)).tolist()), [], 0.0
        while open_:
            ratio = {at: p[at] / weights[at] if weights[at] > 0 else np.inf for at in sorted(open_)}
            at = min(ratio, key=lambda key: ratio[key])
            reached = min(1.0, max(reached, ratio[at]))
            adjusted[at] = reached
            open_.remove(at)
            order.append(at)
            weights, passed = _reject(weights, passed, at)
        return adjusted, order

    def __str__(self) -> str:
        lines = ["Graphical multiple test procedure (Bretz et al. 2009)"]
        for at, name in enumerate(self.names):
            to = [
                f"{share:g} to {self.names[j]}" for j, share in enumerate(self.transitions[at]) if share > 0
            ]
            lines.append(
                f"{name}: weight {self.weights[at]:g}" + (f"; passes on {', '.join(to)}" if to else "")
            )
        return "\n".join(lines)


def probabilities(values: Array) -> Array:
    """The values, or an error where one that is not NaN lies outside 0 to 1."""
    outside = values[(values < 0) | (values > 1)]
    if len(outside):
        raise ModelError("a p-value is no probability", expected="numbers from 0 to 1", got=f"{outside[0]:g}")
    return values


def _reject(weights: Array, passed: Array, at: int) -> tuple[Array, Array]:
    """Weights and transitions after one rejection (Bretz et al. 2009, Algorithm 1)."""
    new_weights = weights + weights[at] * passed[at]
    new_weights[at] = 0.0
    through = np.outer(passed[:, at], passed[at])
    loop = passed[:, at] * passed[at]
    new = np.zeros_like(passed)
    whole = loop < 1 - 1e-12  # a pair that passes all to each other has nothing left to pass on
    new[whole] = (passed[whole] + through[whole]) / (1 - loop[whole])[:, None]
    new[at], new[:, at] = 0.0, 0.0
    np.fill_diagonal(new, 0.0)
    return new_weights, new


def _numbers(values: object, what: str) -> Array:
    try:
        found = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{what} are not numbers", expected="numbers from 0 to 1", got=repr(values)
        ) from error
    if not np.isfinite(found).all() or (found < 0).any() or (found > 1 + SLACK).any():
        raise ModelError(f"{what} lie outside 0 to 1", expected="numbers from 0 to 1", got=repr(values))
    return found


def _transition_matrix(transitions: object, names: tuple[str, ...]) -> Array:
    k = len(names)
    if isinstance(transitions, Mapping):
        matrix = np.zeros((k, k))
        for start, row in transitions.items():
            for end, share in row.items():
                for name in (start, end):
                    if name not in names:
                        raise ModelError(
                            "a transition names an unknown hypothesis",
                            expected=f"one of {', '.join(names)}",
                            got=repr(name),
                        )
                matrix[names.index(start), names.index(end)] = float(
                    _numbers(share, f"transitions of {start}")
                )
        return matrix
    matrix = _numbers(transitions, "transitions")
    if matrix.shape != (k, k):
        raise ModelError(
            "transitions need a row and a column a hypothesis", expected=f"shape ({k}, {k})", got=matrix.shape
        )
    return matrix


def _check_shares(weights: Array, passed: Array, names: tuple[str, ...]) -> None:
    if weights.ndim != 1 or weights.sum() > 1 + SLACK:
        raise ModelError(
            "weights of hypotheses spend more than alpha",
            expected="a sum of at most 1",
            got=f"{weights.sum():g}",
        )
    for at, name in enumerate(names):
        if passed[at, at] != 0:
            raise ModelError(
                "a hypothesis passes weight to itself",
                expected="0 on the diagonal",
                got=f"{passed[at, at]:g}",
                where=name,
            )
        if passed[at].sum() > 1 + SLACK:
            raise ModelError(
                "a hypothesis passes on more than its weight",
                expected="transitions of a row of at most 1 in all",
                got=f"{passed[at].sum():g}",
                where=name,
            )
