"""Classical tests of grades: cross-tabulated pairs with McNemar, Bowker and Stuart-Maxwell; strata with van Elteren.

The counterparts without a model of the ordinal mixed model (within patients) and of an adjusted one (between them).
statsmodels' tests of square tables fill empty cells or divide by them, and in these trials most cells off the diagonal
are empty; so the statistics stand here, and pairs of grades that nobody shows take no part.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
import pandas as pd
import scipy
from numpy.typing import ArrayLike, NDArray

from analyses.classical.arm_samples import ArmSamples, sample_arms
from analyses.classical.proportions import PairedTable
from analyses.ordinal import grade_codes
from outcomes.errors import DesignError, ModelError

__all__ = [
    "ChiSquare",
    "McNemar",
    "PairedGrades",
    "VanElteren",
    "bowker",
    "cross_tabulate",
    "mcnemar",
    "stratified_wilcoxon",
    "stuart_maxwell",
]

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ChiSquare:
    """A chi-square test; NaN where there is nothing to test (no degree of freedom)."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, slots=True)
class McNemar:
    """McNemar's test of paired yes/no answers.

    Attributes
    ----------
    first_only, second_only : int
        The discordant pairs.
    statistic, p_value : float
        Chi-square with one degree of freedom, without continuity correction.
    p_corrected : float
        With Edwards' correction.
    p_exact : float
        Binomial on the discordant pairs.
    p_mid : float
        Mid-p: the exact one less half the probability of the observed split, which keeps the size nearer to its level
        (Fagerland MW, Lydersen S & Laake P 2013, BMC Med Res Methodol 13:91).
    """

    first_only: int
    second_only: int
    statistic: float
    p_value: float
    p_corrected: float
    p_exact: float
    p_mid: float


@dataclass(frozen=True, slots=True)
class VanElteren:
    """Wilcoxon's rank-sum test within strata.

    Attributes
    ----------
    statistic : float
        Standardised; positive where the first arm's grades are higher.
    p_value, p_greater : float
        Two-sided, and one-sided for "the first arm is higher"; normal, without continuity correction.
    superiority : float
        Probability of superiority within strata, averaged with the test's own weights ``n1 n2 / (n + 1)``.
    strata : int
        Strata with both arms, which are those that count.
    n : int
        Patients in them.
    left_out : tuple of str
        Strata with one arm only.
    """

    statistic: float
    p_value: float
    p_greater: float
    superiority: float
    strata: int
    n: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class PairedGrades:
    """Grades of two arms in the same patients.

    Attributes
    ----------
    first, second
        Labels of the arms.
    table
        Patients by grade in the first arm (rows) and in the second (columns), in the grades' order, lowest first;
        every declared grade has its row, seen or not.
    symmetry
        Bowker's test.
    homogeneity
        Stuart and Maxwell's test.
    """

    first: str
    second: str
    table: pd.DataFrame
    symmetry: ChiSquare
    homogeneity: ChiSquare

    @property
    def n(self) -> int:
        """Number of pairs."""
        return int(self.table.to_numpy().sum())

    def responders(self, grade: str) -> PairedTable:
        """Cut the table at a grade: this one and higher ones are responders.

        Raises
        ------
        ModelError
            Where no grade is lower.
        """
        labels = [str(label) for label in self.table.index]
        if grade not in labels[1:]:
            raise ModelError("a cut needs a lower grade", expected=", ".join(labels[1:]), got=repr(grade))
        at, counts = labels.index(grade), self.table.to_numpy()
        return PairedTable(
            int(counts[at:, at:].sum()),
            int(counts[at:, :at].sum()),
            int(counts[:at, at:].sum()),
            int(counts[:at, :at].sum()),
        )

    @property
    def cuts(self) -> pd.DataFrame:
        """McNemar's test at every cut: ``at_least, first_only, second_only, both, neither, p_exact, p_mid``."""
        rows = []
        for grade in map(str, self.table.index[1:]):
            pairs = self.responders(grade)
            tested = mcnemar(pairs)
            counts = [pairs.first_only, pairs.second_only, pairs.both, pairs.neither]
            rows.append([grade, *counts, tested.p_exact, tested.p_mid])
        names = ["at_least", "first_only", "second_only", "both", "neither", "p_exact", "p_mid"]
        return pd.DataFrame(rows, columns=names)


def cross_tabulate(
    data: pd.DataFrame,
    first: str,
    second: str,
    value: str = "value",
    arm: str = "arm",
    patient: str = "patient",
) -> PairedGrades:
    """Cross-tabulate the grades of two arms in the same patients, and test the table.

    Parameters
    ----------
    data
        One row a patient and arm, of one visit; grades as an ordered Categorical or numbers.
    first, second
        Labels of the arms. Patients who miss one of them are left out.
    value, arm, patient
        Columns.

    Raises
    ------
    DesignError
        Where a patient has several lesions in one of the arms, or nobody has both.
    ModelError
        Where an arm is unknown, or the grades have no order.
    """
    codes, labels = grade_codes(data, value)
    samples = sample_arms(data, codes, "within-patient", arm, patient, "cross_tabulate")
    _known_arms(samples, first, second)
    if samples.several_lesions(first, second):
        raise DesignError(
            "a cross-tabulation of pairs takes one lesion an arm",
            expected="one row for each patient and arm",
            got="patients with several lesions in an arm",
            hint="fit_ordinal_model with (1 | patient), or compare_grades(..., design='within-patient')",
        )
    pairs = samples.shared(first, second)
    if not pairs:
        raise DesignError("no patient has both arms", expected=f"{first} and {second}", got="none")
    counts = np.zeros((len(labels), len(labels)), dtype=np.intp)
    for mine, theirs in pairs:
        counts[int(mine[0]), int(theirs[0])] += 1
    names = pd.CategoricalIndex(labels, categories=list(labels), ordered=True)
    table = pd.DataFrame(counts, index=names.rename(first), columns=names.rename(second))
    return PairedGrades(first, second, table, bowker(counts), stuart_maxwell(counts))


def _known_arms(samples: ArmSamples, *arms: str) -> None:
    for label in arms:
        if label not in samples.arms:
            raise ModelError("the data have no such arm", expected=", ".join(samples.arms), got=repr(label))
    if len(set(arms)) < len(arms):
        raise ModelError("an arm is compared with another one", expected="two arms", got=repr(arms[0]))


def mcnemar(table: PairedTable) -> McNemar:
    """Test whether as many pairs respond in the first arm alone as in the second alone.

    Parameters
    ----------
    table
        Pairs.

    Returns
    -------
    McNemar
        Without discordant pairs every p is 1.
    """
    b, c = table.first_only, table.second_only
    n = b + c
    if not n:
        return McNemar(0, 0, 0.0, 1.0, 1.0, 1.0, 1.0)
    statistic, corrected = (b - c) ** 2 / n, max(abs(b - c) - 1, 0) ** 2 / n
    exact = float(scipy.stats.binomtest(b, n).pvalue)
    mid = (
        exact - float(scipy.stats.binom.pmf(b, n, 0.5))
        if b != c
        else 1 - float(scipy.stats.binom.pmf(b, n, 0.5)) / 2
    )
    p_value, p_corrected = (float(scipy.stats.chi2.sf(one, 1)) for one in (statistic, corrected))
    return McNemar(b, c, statistic, p_value, p_corrected, exact, mid)


def bowker(counts: ArrayLike) -> ChiSquare:
    """Test the symmetry of a square table.

    Parameters
    ----------
    counts
        Shape (k, k).

    Returns
    -------
    ChiSquare
        Bowker AH (1948), J Am Stat Assoc 43:572. Degrees of freedom: pairs of cells that are not both empty.

    Raises
    ------
    ModelError
        Where the table is not square, or has other entries than counts.
    """
    table = _square(counts)
    upper = np.triu_indices(len(table), 1)
    above, below = table[upper], table.T[upper]
    seen = above + below > 0
    df = int(seen.sum())
    if not df:
        return ChiSquare(nan, 0, nan)
    statistic = float(((above - below)[seen] ** 2 / (above + below)[seen]).sum())
    return ChiSquare(statistic, df, float(scipy.stats.chi2.sf(statistic, df)))


def stuart_maxwell(counts: ArrayLike) -> ChiSquare:
    """Test whether the margins of a square table are alike.

    Parameters
    ----------
    counts
        Shape (k, k).

    Returns
    -------
    ChiSquare
        Stuart A (1955), Biometrika 42:412; Maxwell AE (1970), Br J Psychiatry 116:651. Degrees of freedom: the rank
        of the differences' covariance (grades less one, less where grades were not seen).

    Raises
    ------
    ModelError
        As `bowker`.
    """
    table = _square(counts)
    difference = table.sum(axis=1) - table.sum(axis=0)
    spread = -(table + table.T)
    np.fill_diagonal(spread, table.sum(axis=1) + table.sum(axis=0) - 2 * np.diag(table))
    df = int(np.linalg.matrix_rank(spread, hermitian=True))
    if not df:
        return ChiSquare(nan, 0, nan)
    statistic = float(difference @ np.linalg.pinv(spread, hermitian=True) @ difference)
    return ChiSquare(statistic, df, float(scipy.stats.chi2.sf(statistic, df)))


def _square(counts: ArrayLike) -> Array:
    table = np.asarray(counts, dtype=float)
    whole = table.ndim == 2 and table.shape[0] == table.shape[1] and len(table) > 1
    if not whole or not np.all((table >= 0) & (table % 1 == 0)):
        raise ModelError(
            "a table of pairs is square and holds counts",
            expected="whole numbers, as many rows as columns",
            got=f"shape {table.shape}",
        )
    return table


def stratified_wilcoxon(
    data: pd.DataFrame,
    first: str,
    second: str,
    strata: str,
    value: str = "value",
    arm: str = "arm",
    patient: str | None = "patient",
) -> VanElteren:
    """Compare the grades of two independent groups by ranks within strata.

    Parameters
    ----------
    data
        One row a patient, of one visit; grades as an ordered Categorical or numbers.
    first, second
        Labels of the arms.
    strata
        Column of the strata (a body site, a centre). Strata with one arm only take no part, and are named.
    value, arm, patient
        Columns; `patient` None states that every row is a patient of its own.

    Returns
    -------
    VanElteren
        Rank sums weighted by ``1 / (n + 1)`` (van Elteren PH 1960, Bull Int Stat Inst 37:351), with the permutation
        variance under ties.

    Raises
    ------
    DesignError
        Where a patient stands in several rows, or no stratum has both arms.
    ModelError
        Where a column or arm is unknown, or the grades have no order.
    """
    if strata not in data.columns:
        raise ModelError(
            f"the data have no column {strata!r}", expected=", ".join(map(str, data.columns)), got=strata
        )
    codes, _ = grade_codes(data, value)
    samples = sample_arms(data, codes, "parallel", arm, patient, "stratified_wilcoxon")
    _known_arms(samples, first, second)
    used = (
        ~np.isnan(codes)
        & data[arm].astype(str).isin([first, second]).to_numpy()
        & data[strata].notna().to_numpy()
    )
    if patient is not None:
        used &= data[patient].notna().to_numpy()  # nobody knows whether they are others
    ranked = codes[used]
    mine = data[arm].astype(str).to_numpy()[used] == first
    level = data[strata].astype(str).to_numpy()[used]
    top = variance = wins = weights = 0.0
    counted, size, left_out = 0, 0, []
    for name in dict.fromkeys(level):
        own, ours = ranked[level == name], mine[level == name]
        n, n1 = len(own), int(ours.sum())
        n2 = n - n1
        if not (n1 and n2):
            left_out.append(str(name))
            continue
        ranks = scipy.stats.rankdata(own)
        away = float(ranks[ours].sum()) - n1 * (n + 1) / 2
        top += away / (n + 1)
        spread = float(((ranks - (n + 1) / 2) ** 2).sum())
        variance += n1 * n2 / (n * (n - 1)) * spread / (n + 1) ** 2
        weight = n1 * n2 / (n + 1)
        wins, weights = wins + weight * (0.5 + away / (n1 * n2)), weights + weight
        counted, size = counted + 1, size + n
    if not counted:
        raise DesignError(
            "no stratum has both arms", expected=f"{first} and {second} within {strata}", got="none"
        )
    z = top / sqrt(variance) if variance > 0 else nan
    two_sided = 2 * float(scipy.stats.norm.sf(abs(z))) if variance > 0 else 1.0
    greater = float(scipy.stats.norm.sf(z)) if variance > 0 else 1.0
    return VanElteren(z, two_sided, greater, wins / weights, counted, size, tuple(left_out))
