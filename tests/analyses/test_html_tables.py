"""What notebooks show: the cells equal the numbers, every string is escaped, and nothing says "nan"."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyses import compare_therapies, fit_mixed_model, fit_ordinal_model, marginal_means
from analyses.display.html_tables import (
    MOST_ROWS,
    HtmlView,
    estimate_table,
    implied_level,
    matrix_table,
    p_value_text,
    to_html,
)
from analyses.display.html_views import fit_html
from analyses.generalized import fit_generalized_model
from analyses.inference import t_table

VOID = {"br", "hr", "img", "input", "meta", "link"}


class Page(HTMLParser):
    """The tables of a page by caption, as rows of texts; its paragraphs; every element with its attributes."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, list[list[str]]] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.paragraphs: list[str] = []
        self.open: list[str] = []
        self.rows: list[list[str]] = []
        self.caption, self.text, self.span = "", "", 1
        self.feed(html)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.rows, self.caption = [], ""
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th", "caption", "p"):
            self.text, self.span = "", int(dict(attrs).get("colspan", 1))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"
        if tag in ("td", "th"):
            self.rows[-1].extend([self.text.strip()] * self.span)
        elif tag == "caption":
            self.caption = self.text
        elif tag == "p":
            self.paragraphs.append(self.text)
        elif tag == "table":
            assert self.caption not in self.tables
            self.tables[self.caption] = self.rows

    def handle_data(self, data):
        self.text += data

    def frame(self, caption: str) -> pd.DataFrame:
        first, *rest = self.tables[caption]
        return pd.DataFrame(rest, columns=first)

    def facts(self) -> dict[str, str]:
        return dict(self.tables["Model and data"])


def read(cells: pd.Series) -> np.ndarray:
    """The numbers that cells show."""
    plain = cells.str.replace("−", "-").str.replace("∞", "inf")
    return plain.astype(float).to_numpy()


def shown_as(cells: pd.Series, values: pd.Series) -> bool:
    """Whether each cell is its value to the half of the cell's own last digit."""
    decimals = cells.str.partition(".")[2].str.len().to_numpy()
    # 1e-9 relative: values are rounded from ten significant digits.
    room = 0.5 * 10.0**-decimals + 1e-9 * np.abs(values.to_numpy())
    return bool((np.abs(read(cells) - values.to_numpy()) <= room).all())


@pytest.fixture(scope="module")
def lesions() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    arms = ["Laser", "PRP", "Laser + PRP"]
    data = pd.DataFrame([(p, arm) for p in range(20) for arm in arms], columns=["patient", "arm"])
    data["arm"] = pd.Categorical(data["arm"], arms)
    data["value"] = np.repeat(rng.normal(30, 10, 20), 3) + data["arm"].cat.codes * 8 + rng.normal(0, 6, 60)
    data["clinic"] = np.where(data["patient"] % 2 == 0, "A", "B")
    data["again"] = data["clinic"]
    return data


@pytest.fixture(scope="module")
def fit(lesions):
    data = lesions.copy()
    data.loc[[3, 8], "value"] = np.nan
    return fit_mixed_model("value ~ clinic + again + arm + us(arm | patient)", data)


def test_a_fit_shows_its_numbers(fit):
    page = Page(fit._repr_html_())
    table = page.frame("Fixed effects")
    truth = fit.coefficients
    assert table["Term"].tolist() == truth["term"].tolist()
    columns = {
        "Estimate": "estimate",
        "SE": "std_error",
        "df": "df",
        "t": "statistic",
        "95\u00a0%\u00a0CI from": "conf_low",
        "to": "conf_high",
    }
    assert list(table.columns) == ["Term", "Estimate", "SE", "df", "t", "p", "95\u00a0%\u00a0CI from", "to"]
    for shown, name in columns.items():
        assert shown_as(table[shown], truth[name]), shown
    # A standard error has three significant digits, and its row the same decimals.
    digits = table["SE"].str.replace(".", "").str.lstrip("0").str.len()
    assert (digits >= 3).all()
    for shown in ("Estimate", "95\u00a0%\u00a0CI from", "to"):
        assert (
            table[shown].str.partition(".")[2].str.len() == table["SE"].str.partition(".")[2].str.len()
        ).all()
    assert table["df"].str.fullmatch(r"\d+\.\d").all()


def test_a_fit_says_what_it_rests_on(fit):
    facts = Page(fit._repr_html_()).facts()
    assert facts["Formula"] == fit.formula
    assert facts["Rows used"] == "58 rows of 20 subjects"
    assert facts["Rows left out"] == "2 rows, for a missing model variable"
    assert facts["Method"] == "restricted maximum likelihood (REML)"
    assert facts["Degrees of freedom"] == "Kenward and Roger, linear"
    assert facts["Convergence"] == fit.convergence.sentence
    assert facts["Dropped terms"].startswith("again[T.B] ")
    for name, value in (("Log-likelihood", fit.loglik), ("AIC", fit.aic), ("BIC", fit.bic)):
        assert float(facts[name].replace("−", "-")) == pytest.approx(value, abs=0.005 + 1e-9)


def test_a_fit_shows_its_covariance_and_its_components(fit):
    page = Page(fit._repr_html_())
    shown = page.frame("Residual covariance").set_index("")
    assert shown.columns.tolist() == list(fit.covariance.columns)
    for name in shown.columns:
        assert shown_as(shown[name], fit.covariance[name])
    components = page.frame("Variance components")
    assert shown_as(components["SD"], fit.variance_components["sd"])
    assert components["Correlation with the first"].iloc[0] == "–"


def test_a_covariance_by_group_has_a_table_a_group(lesions):
    data = lesions.assign(
        visit=pd.Categorical(lesions["arm"].cat.codes + 1), sex=np.where(lesions["patient"] < 10, "f", "m")
    )
    fit = fit_mixed_model("value ~ arm + cs(visit | sex / patient)", data, reml=False)
    page = Page(fit._repr_html_())
    assert page.facts()["Method"] == "maximum likelihood (ML)"
    for group, matrix in fit.covariance.items():
        shown = page.frame(f"Residual covariance, {group}").set_index("")
        assert shown_as(shown["2"], matrix["2"])


def test_the_boundary_is_said_in_words(lesions):
    rng = np.random.default_rng(11)
    noise = lesions.assign(value=rng.normal(0, 1, len(lesions)))
    noise["value"] -= noise.groupby("patient")["value"].transform("mean")
    fit = fit_mixed_model("value ~ arm + (1 | patient)", noise)
    page = Page(fit._repr_html_())
    assert "boundary" in page.facts()["Convergence"]
    components = page.frame("Variance components").set_index("Group")
    assert float(components.loc["patient", "Variance"]) == 0


def test_a_fit_says_which_models_were_left(lesions):
    # Three patients cannot carry an unstructured covariance of three arms.
    few = lesions[lesions["patient"] < 3]
    fit = fit_mixed_model(
        "value ~ arm + us(arm | patient)", few, on_failure="fallback", fallback=["cs(arm | patient)"]
    )
    facts = Page(fit._repr_html_()).facts()
    assert len(fit.walk) == 2
    assert facts["Left before it"] == str(fit.walk[0])
    assert "us(arm | patient)" in facts["Left before it"]


def test_means_and_contrasts_show_their_tables(lesions):
    fit = fit_mixed_model("value ~ clinic + patient + arm + us(arm | patient)", lesions)
    means = marginal_means(fit, "arm")
    page = Page(means._repr_html_())
    for sentence in means.averaging:
        assert sentence in page.paragraphs
    assert any("clinic" in sentence for sentence in page.paragraphs)
    table = page.frame("Marginal means of arm")
    assert table["arm"].tolist() == ["Laser", "PRP", "Laser + PRP"]
    assert shown_as(table["Estimate"], means.table["estimate"])

    contrasts = means.contrast("pairwise", adjust="holm")
    page = Page(contrasts._repr_html_())
    table = page.frame("Contrasts of marginal means")
    assert table["Contrast"].tolist() == contrasts.table["contrast"].tolist()
    assert shown_as(table["Estimate"], contrasts.table["estimate"])
    assert contrasts.adjustment + "." in page.paragraphs
    assert "Holm" in contrasts.adjustment


def test_one_sided_contrasts_say_what_was_tested(lesions):
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", lesions)
    contrasts = marginal_means(fit, "arm").contrast("pairwise", alternative="greater", null=-5)
    page = Page(contrasts._repr_html_())
    table = page.frame("Contrasts of marginal means")
    assert table["to"].eq("∞").all()
    assert "Tests of contrasts above −5." in page.paragraphs


def test_contrasts_state_the_level_that_their_limits_have(lesions):
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", lesions)
    table = marginal_means(fit, "arm").contrast("pairwise", alpha=0.1)
    assert "90\u00a0%\u00a0CI from" in Page(table._repr_html_()).frame("Contrasts of marginal means")


@given(
    st.sampled_from([0.8, 0.9, 0.95, 0.975, 0.99]),
    st.lists(st.floats(1, 1e6), min_size=1, max_size=5),
    st.floats(-100, 100),
)
def test_the_level_is_found_from_the_limits(level, df, estimate):
    ones = np.ones(len(df))
    table = t_table(estimate * ones, ones, np.array(df), alpha=1 - level)
    assert implied_level(table) == level


def test_limits_of_different_levels_have_no_common_one():
    table = pd.concat([t_table([1.0], [1.0], [9.0], alpha) for alpha in (0.05, 0.1)])
    assert implied_level(table) is None


def test_what_is_not_estimable_says_so(lesions):
    data = lesions[~((lesions["arm"] == "PRP") & (lesions["clinic"] == "B"))]
    fit = fit_mixed_model("value ~ arm * clinic + (1 | patient)", data)
    means = marginal_means(fit, "arm", by="clinic")
    for html, caption in (
        (means._repr_html_(), "Marginal means of arm by clinic"),
        (means.contrast("pairwise")._repr_html_(), "Contrasts of marginal means"),
    ):
        rows = Page(html).tables[caption]
        missing = [row for row in rows if "not estimable" in row]
        assert missing
        assert all(row[2:] == ["not estimable"] * 7 for row in missing)
        assert "nan" not in re.sub(r"<[^>]*>", " ", html).lower().split()
        spans = [attrs["colspan"] for tag, attrs in Page(html).elements if "colspan" in attrs]
        assert spans == ["7"] * len(missing)


def test_of_many_that_are_not_estimable_ten_are_explained(lesions):
    # Two names of one partition: neither nests in the other, and nothing tells their levels apart.
    twin = lesions["patient"] // 2
    data = lesions.assign(twin=[f"t{t:02}" for t in twin], site=[f"s{t:02}" for t in twin])
    fit = fit_mixed_model("value ~ twin + site + arm", data)
    contrasts = marginal_means(fit, "twin").contrast("pairwise")
    assert len(contrasts.not_estimable) == 45
    page = Page(contrasts._repr_html_())
    assert "35 more are not estimable." in page.paragraphs


def test_a_verdict_shows_its_claims_and_its_questions(lesions):
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", lesions)
    arms = {"Laser": ("laser",), "PRP": ("prp",), "Laser + PRP": ("laser", "prp")}
    verdict = compare_therapies(fit, arms)
    html = verdict._repr_html_()
    page = Page(html)
    table = page.frame("Questions and answers")
    assert table["Question"].tolist() == verdict.table["question"].tolist()
    min_test = table[table["Question"].str.contains("min test")].iloc[0]
    assert (min_test["Estimate"], min_test["p"]) == ("–", "<0.001")
    assert verdict.may_claim.replace("<", "&lt;") in html
    assert verdict.may_not_claim in html


def test_an_ordinal_fit_shows_thresholds_and_z(lesions):
    data = lesions[lesions["arm"] == "PRP"].assign(
        grade=lambda d: pd.Categorical(
            np.where(d["patient"] % 3 == 0, "G0", np.where(d["patient"] % 3 == 1, "G1", "G2")),
            ["G0", "G1", "G2"],
            ordered=True,
        )
    )
    fit = fit_ordinal_model("grade ~ clinic", data)
    page = Page(fit._repr_html_())
    table = page.frame("Coefficients")
    assert table["Term"].tolist() == ["G0|G1", "G1|G2", "clinic[T.B]"]
    assert "z" in table
    assert table["df"].eq("∞").all()
    assert shown_as(table["Estimate"], fit.coefficients["estimate"])


def test_a_generalised_fit_shows_its_family_and_dispersion(lesions):
    rng = np.random.default_rng(5)
    data = lesions.assign(count=rng.negative_binomial(3, 0.3, len(lesions)))
    fit = fit_generalized_model("count ~ arm + (1 | patient)", data, family="negative-binomial")
    page = Page(fit._repr_html_())
    assert page.facts()["Family"] == "negative-binomial"
    assert shown_as(page.frame("Coefficients")["Estimate"], fit.coefficients["estimate"])
    assert "95\u00a0%\u00a0CI from" in page.frame("Coefficients")
    dispersion = page.frame("Dispersion")
    assert shown_as(dispersion["Estimate"], fit.dispersion["estimate"])
    assert page.frame("Variance components")["Group"].tolist() == ["patient"]


def test_fits_and_tables_print_their_summary(fit, lesions):
    means = marginal_means(fit, "arm")
    for one in (fit, means, means.contrast("pairwise")):
        assert repr(one) == str(one)
        assert len(repr(one)) < 3000


HOSTILE = ["<script>alert(1)</script>", "\" onmouseover='x' & </table>", "$x$ \x00 \u202e abc"]


def test_hostile_labels_are_text(lesions):
    data = lesions.assign(arm=lesions["arm"].cat.rename_categories(HOSTILE))
    fit = fit_mixed_model("value ~ arm + us(arm | patient)", data)
    means = marginal_means(fit, "arm")
    for html in (fit._repr_html_(), means._repr_html_(), means.contrast("pairwise")._repr_html_()):
        page = Page(html)
        tags = {tag for tag, _ in page.elements}
        assert tags <= {
            "div",
            "style",
            "h3",
            "p",
            "table",
            "caption",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "abbr",
        }
        names = {name for _, attrs in page.elements for name in attrs}
        assert names <= {
            "class", "role", "tabindex", "aria-label", "scope", "colspan", "data-pad", "title",
        }  # fmt: skip
        assert "\x00" not in html
        assert "mathjax_ignore" in html
    assert page.frame("Contrasts of marginal means")["Contrast"].iloc[0].startswith(HOSTILE[0])


def test_tables_are_accessible_and_need_nothing_else(fit):
    html = fit._repr_html_()
    page = Page(html)
    assert not re.search(r"https?:|src=|@import|url\(", html)
    heads = [attrs for tag, attrs in page.elements if tag == "th"]
    assert heads
    assert all(attrs["scope"] in ("row", "col") for attrs in heads)
    count = sum(tag == "table" for tag, _ in page.elements)
    assert count == len(page.tables) == sum(tag == "caption" for tag, _ in page.elements)
    regions = [attrs for _, attrs in page.elements if attrs.get("role") == "region"]
    assert len(regions) == count
    assert all(attrs["aria-label"] and attrs["tabindex"] == "0" for attrs in regions)
    # No colour of text or page is set but by the notebook's own or the system's.
    colours = set(re.findall(r"(?<![\w-])color: ([^;]+);", html))
    assert colours <= {
        "inherit",
        "var(--jp-content-font-color1, var(--vscode-editor-foreground, CanvasText))",
    }


@pytest.mark.parametrize(
    ("p", "text"),
    [
        (0.0, "<0.001"),
        (0.00099, "<0.001"),
        (0.001, "0.001"),
        (0.0312, "0.031"),
        (0.0496, "0.0496"),
        (0.05, "0.050"),
        (0.050004, "0.050004"),
        (0.4817, "0.482"),
        (0.9994, ">0.999"),
        (1.0, ">0.999"),
        (np.nan, "–"),
    ],
)
def test_p_values(p, text):
    assert p_value_text(p) == text


@given(st.floats(0, 1))
def test_a_shown_p_value_stays_on_its_side(p):
    text = p_value_text(p)
    number = float(text.lstrip("<>"))
    assert text != "0.000"
    # Ten significant digits is what a p-value has: beyond them it is the level itself.
    if abs(p - 0.05) > 1e-10 and text[0] not in "<>":
        assert (number < 0.05) == (p < 0.05)


@given(
    st.floats(-1e12, 1e12),
    st.floats(1e-12, 1e9),
)
def test_an_estimate_is_shown_to_its_standard_error(estimate, error):
    table = estimate_table("t", t_table([estimate], [error], [20.0]))
    texts = [cell.text.replace("−", "-") for cell in table.rows[0]]
    exponents = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    value, shown = (float(t.translate(exponents).replace(" × 10", "e")) for t in texts[:2])
    # Half of the third significant digit of the standard error; ten digits of an estimate far larger than it.
    assert abs(shown - error) <= 0.0051 * error
    assert abs(value - estimate) <= 0.0051 * error + 1e-9 * abs(estimate)


def test_tiny_and_huge_numbers_have_a_power_of_ten():
    table = estimate_table("t", t_table([8.3e-11, 2.5e11], [1.76e-10, 4e9], [42.0, 42.0]))
    assert [cell.text for cell in table.rows[0]][:2] == ["8.3 × 10⁻¹¹", "1.76 × 10⁻¹⁰"]
    assert [cell.text for cell in table.rows[1]][:2] == ["2.5000 × 10¹¹", "4.00 × 10⁹"]
    whole = matrix_table("v", pd.DataFrame(np.array([[4e19, 1e18], [1e18, 2e19]])))
    assert [cell.text for cell in whole.rows[0]][1:] == ["4.00 × 10¹⁹", "1.0 × 10¹⁸"]


def test_decimal_points_align():
    table = estimate_table("t", t_table([29.18, -0.0075], [1.56, 0.00468], [19.0, 34.0]))
    for column in zip(*table.rows, strict=True):
        widths = {len((cell.text + cell.pad).partition(".")[2]) for cell in column}
        assert len(widths) == 1


def test_a_test_without_spread_has_a_dash_and_no_nan():
    table = estimate_table("t", t_table([1.5, 2.0], [0.0, 0.5], [5.0, 5.0]))
    assert [cell.text for cell in table.rows[0]][3:5] == ["–", "–"]


def test_very_long_tables_are_cut_and_say_so():
    n = 10_000
    frame = t_table(np.zeros(n), np.ones(n), np.full(n, 5.0))
    frame.insert(0, "term", [f"site {at}" for at in range(n)])
    table = estimate_table("t", frame)
    assert len(table.rows) == MOST_ROWS
    assert table.notes == (f"The first {MOST_ROWS} of {n} rows are shown.",)
    matrix = matrix_table("v", pd.DataFrame(np.eye(40)))
    assert len(matrix.rows) == 30
    assert "40 levels" in matrix.notes[0]


def test_an_empty_table_and_a_bare_view_are_still_html():
    Page(to_html(HtmlView("Nothing", tables=(estimate_table("none", t_table([], [], [])),))))


@dataclass
class Bare:
    """A fit of another kind, with nothing but what every fit has."""

    formula: str = "responder ~ arm"
    n_obs: int = 12
    n_dropped: int = 0
    loglik: float = -4.0
    aic: float = 12.0
    bic: float = 13.0
    aliased: tuple[str, ...] = ()
    convergence: object = None
    coefficients: pd.DataFrame | None = None


def test_a_new_kind_of_fit_needs_one_line(fit):
    frame = t_table([0.4], [0.2], [np.inf])
    frame.insert(0, "term", ["arm"])
    page = Page(fit_html(Bare(convergence=fit.convergence, coefficients=frame), "Binomial model"))
    assert page.facts()["Rows used"] == "12 rows"
    assert page.frame("Coefficients")["z"].tolist() == ["2.00"]
