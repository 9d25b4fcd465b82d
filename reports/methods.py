"""The methods paragraph, the limitations and the references: made from what was done, not from a template's wish."""

from __future__ import annotations

from outcomes.protocol import Analysis
from reports import categorical_words
from reports.context import ReportContext
from reports.format import counted, join_words, sentence_case
from reports.narrative import covariance_words, in_words, lower_first
from reports.steps.link_model import MODEL
from reports.steps.naive import OF_LESIONS
from reports.steps.over_visits import OVER_VISITS
from reports.steps.sensitivity import ALL_VISITS_ROBUST, CONSTRAINED, ROBUST

REFERENCES = {
    "laska": (
        "Laska EM, Meisner MJ. Testing whether an identified treatment is best. Biometrics. 1989;45:1139-1151."
    ),
    "kenward-roger": (
        "Kenward MG, Roger JH. Small sample inference for fixed effects from restricted maximum likelihood. "
        "Biometrics. 1997;53:983-997."
    ),
    "kenward-roger-linear": (
        "Kenward MG, Roger JH. An improved approximation to the precision of fixed effects from restricted maximum "
        "likelihood. Comput Stat Data Anal. 2009;53:2583-2595."
    ),
    "satterthwaite": (
        "Satterthwaite FE. An approximate distribution of estimates of variance components. Biometrics Bull. "
        "1946;2:110-114."
    ),
    "holm": ("Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat. 1979;6:65-70."),
    "liang-zeger": (
        "Liang KY, Zeger SL. Longitudinal data analysis of continuous and discrete responses for pre-post designs. "
        "Sankhya B. 2000;62:134-148."
    ),
    "mann-whitney": (
        "Mann HB, Whitney DR. On a test of whether one of two random variables is stochastically larger than the "
        "other. Ann Math Stat. 1947;18:50-60."
    ),
    "brunner-munzel": (
        "Brunner E, Munzel U. The nonparametric Behrens-Fisher problem: asymptotic theory and a small-sample "
        "approximation. Biom J. 2000;42:17-25."
    ),
    "bell-mccaffrey": (
        "Bell RM, McCaffrey DF. Bias reduction in standard errors for linear regression with multi-stage samples. Surv "
        "Methodol. 2002;28:169-181."
    ),
    "pustejovsky-tipton": (
        "Pustejovsky JE, Tipton E. Small-sample methods for cluster-robust variance estimation and hypothesis testing "
        "in fixed effects models. J Bus Econ Stat. 2018;36:672-683."
    ),
    "mccullagh": "McCullagh P. Regression models for ordinal data. J R Stat Soc B. 1980;42:109-142.",
    "hedeker-gibbons": (
        "Hedeker D, Gibbons RD. A random-effects ordinal regression model for multilevel analysis. Biometrics. "
        "1994;50:933-944."
    ),
    "zeger": (
        "Zeger SL, Liang KY, Albert PS. Models for longitudinal data: a generalized estimating equation approach. "
        "Biometrics. 1988;44:1049-1060."
    ),
    "agresti-kateri": (
        "Agresti A, Kateri M. Ordinal probability effect measures for group comparisons in multinomial cumulative link "
        "models. Biometrics. 2017;73:214-219."
    ),
    "albert-anderson": (
        "Albert A, Anderson JA. On the existence of maximum likelihood estimates in logistic regression "
        "models. Biometrika. "
        "1984;71:1-10."
    ),
    "fda-covariates": (
        "US Food and Drug Administration. Adjusting for covariates in randomized clinical trials for "
        "drugs and biological "
        "products: guidance for industry. 2023."
    ),
    "pratt": (
        "Pratt JW. Remarks on zeros and ties in the Wilcoxon signed rank procedures. J Am Stat Assoc. 1959;54:655-667."
    ),
    "newcombe": (
        "Newcombe RG. Interval estimation for the difference between independent proportions: comparison of eleven "
        "methods. Stat Med. 1998;17:873-890."
    ),
    "newcombe-paired": (
        "Newcombe RG. Improved confidence intervals for the difference between binomial proportions based on paired "
        "data. Stat Med. 1998;17:2635-2650."
    ),
    "bliss": "Bliss CI. The toxicity of poisons applied jointly. Ann Appl Biol. 1939;26:585-615.",
    "henderson": "Henderson CR. Estimation of variance and covariance components. Biometrics. 1953;9:226-252.",
    "mcgraw": (
        "McGraw KO, Wong SP. Forming inferences about some intraclass correlation coefficients. Psychol Methods. "
        "1996;1:30-46."
    ),
    "clopper": (
        "Clopper CJ, Pearson ES. The use of confidence or fiducial limits illustrated in the case of the binomial. "
        "Biometrika. 1934;26:404-413."
    ),
    "ich-e9": (
        "ICH E9(R1). Addendum on estimands and sensitivity analysis in clinical trials. International Council for "
        "Harmonisation; 2019."
    ),
    "consort-within": (
        "Pandis N, Chung B, Scherer RW, Elbourne D, Altman DG. CONSORT 2010 statement: extension checklist for "
        "reporting within person randomised trials. BMJ. 2017;357:j2835."
    ),
    "consort-factorial": (
        "Kahan BC, Hall SS, Beller EM, et al. Reporting of factorial randomized trials: extension of the CONSORT 2010 "
        "statement. JAMA. 2023;330:2106-2114."
    ),
    "consort-harms": (
        "Junqueira DR, Zorzela L, Golder S, et al. CONSORT Harms 2022 statement, explanation, and elaboration. BMJ. "
        "2023;381:e073725."
    ),
}

DF_METHODS = {
    "kenward-roger-linear": (
        "the Kenward-Roger adjustment in its linear form (covariance of the estimates and degrees of freedom)",
        ("kenward-roger", "kenward-roger-linear"),
    ),
    "kenward-roger": ("the Kenward-Roger adjustment", ("kenward-roger",)),
    "satterthwaite": ("Satterthwaite's degrees of freedom", ("satterthwaite",)),
    "between-within": ("between-within degrees of freedom", ()),
    "residual": ("residual degrees of freedom", ()),
    "asymptotic": ("a normal reference distribution", ()),
}


def methods_paragraphs(context: ReportContext) -> tuple[str, ...]:
    """Return the methods: data and populations, each analysis, the combination questions, software."""
    paragraphs = [_data_paragraph(context)]
    paragraphs += [_analysis_paragraph(context, analysis) for analysis in context.analyses]
    paragraphs += [
        categorical_words.probability_paragraph(context),
        _combination_paragraph(context),
        _software_sentence(context),
    ]
    return tuple(paragraph for paragraph in paragraphs if paragraph)


def _data_paragraph(context: ReportContext) -> str:
    protocol = context.protocol
    design = "within-patient" if protocol.is_within_patient else "parallel-group"
    arms = [
        f"{label} ({join_words(protocol.components[name] for name in protocol.arms.ordered_components(label))})"
        if protocol.arms[label]
        else f"{label} (no component)"
        for label in protocol.arms
    ]
    primary = context.primary
    whom = "all patients" if primary.population == "all" else f"the population “{primary.population}”"
    return (
        f"This {design} trial has {in_words(len(protocol.arms))} arms: {join_words(arms)}. The primary outcome is "
        f"{lower_first(context.facts().describe()).rstrip('.')}, at {primary.visit}, analysed in {whom}, each as "
        "allocated."
    )


def _analysis_paragraph(context: ReportContext, analysis: Analysis) -> str:
    facts, results = context.facts(analysis), context.results
    lead = f"{analysis.role.capitalize()} analysis, {lower_first(facts.label)} at {analysis.visit}: "
    if facts.scale != "continuous":
        return lead + categorical_words.analysis_sentences(context, analysis)
    name = f"{analysis.name}/model"
    size = (
        f"{context.formatter.whole(results.value(name, 'n_rows'))} values of "
        f"{context.formatter.whole(results.value(name, 'n_subjects'))} patients"
    )
    model = results.text(analysis.name, "model")
    if analysis.name != context.primary.name and model == results.text(context.primary.name, "model"):
        return f"{lead}the model of the primary analysis, fitted to {size}."
    df_text, _ = DF_METHODS[analysis.df_method]
    sentences = [
        f"{lead}a linear mixed model, {model}, fitted by residual maximum likelihood to {size}; inference with "
        f"{df_text}.",
        model_reason(context, analysis),
        results.text(name, "convergence"),
    ]
    course = results.text(f"{analysis.name}/{OVER_VISITS}", "model")
    if course:
        left = _left(context, f"{analysis.name}/{OVER_VISITS}")
        sentences.append(
            f"Means and differences at every visit are descriptive: by a model of all visits, {course}"
            f"{f'; {left}' if left else ''}."
        )
    dropped = results.number(name, "n_dropped")
    if dropped:
        sentences.append(
            f"{counted(dropped, 'row')} without a value or a covariate {'was' if dropped == 1 else 'were'} left out."
        )
    return " ".join(sentence for sentence in sentences if sentence)


def model_reason(context: ReportContext, analysis: Analysis) -> str:
    """Say why this model: its design, or, after a fallback, what could not be fitted, why, and what stands in."""
    results = context.results
    left = _left(context, analysis.name)
    if not left:
        return results.text(analysis.name, "model_reason")
    return sentence_case(f"{left}; {covariance_words(results.text(analysis.name, 'model'))} instead.")


def _left(context: ReportContext, name: str) -> str:
    """Name the models that could not be fitted, each with its reason; empty where the first could."""
    clauses = [
        f"{covariance_words(one.subject)} could not be fitted ({_lower(one.text)})"
        for one in context.results.statements
        if one.analysis == name and one.kind == "fallback"
    ]
    return "; ".join(clauses)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:].rstrip(".")


def _combination_paragraph(context: ReportContext) -> str:
    analysis = context.primary
    sides = "two-sided" if analysis.sided == 2 else "one-sided"
    margin = (
        f" The smallest difference that matters is {analysis.margin:g}"
        + (f" ({analysis.margin_source})." if analysis.margin_source else ", without a source.")
        if analysis.margin is not None
        else " No smallest important difference is given, so nothing is called equivalent or as good as another."
    )
    return (
        "The combination is compared with each of its parts, the arms with exactly one component fewer. It is "
        "called better than every part where the min test rejects: each comparison with a part must show benefit, "
        f"and no alpha is split for this joint claim. Alpha is {analysis.alpha:g}, {sides}. Synergy is another "
        "question, asked only after the min test, as the additive interaction, which needs an arm that received "
        "neither component. Claims about a single part, "
        "and the min tests of several combinations, are Holm-adjusted; analyses other than the primary are "
        "descriptive." + margin
    )


def _software_sentence(context: ReportContext) -> str:
    versions = dict(context.results.software)
    tandem = versions.pop("tandem", "")
    python = versions.pop("python", "")
    others = join_words(f"{name} {version}" for name, version in versions.items())
    return f"Computed with tandem {tandem} on Python {python}, {others}."


def reference_list(context: ReportContext) -> tuple[str, ...]:
    """Return the references of the methods that were used, in alphabetical order."""
    keys = {"laska", "holm", "ich-e9"}
    protocol, results = context.protocol, context.results
    for analysis in context.analyses:
        facts = context.facts(analysis)
        if facts.scale == "continuous":
            keys |= set(DF_METHODS[analysis.df_method][1])
        else:
            keys |= _of_categories(context, analysis)
    if protocol.is_within_patient:
        keys.add("consort-within")
    if results.has(f"{context.primary.name}/correlation", "icc"):
        kind = results.text(f"{context.primary.name}/correlation", "correlation_kind")
        keys.add("henderson" if kind == OF_LESIONS else "mcgraw")
    if any(protocol.arms.background_for(label) for label in protocol.arms.combinations):
        keys.add("consort-factorial")
    if results.has("harms", "events"):
        keys |= {"clopper", "consort-harms"}
    variants = set(results.distinct("level", analysis=f"{context.primary.name}/sensitivity"))
    if CONSTRAINED in variants:
        keys.add("liang-zeger")
    if variants & {ROBUST, ALL_VISITS_ROBUST}:
        keys |= {"bell-mccaffrey", "pustejovsky-tipton"}
    instruments = {
        f"{facts.instrument.title}: {facts.instrument.source}."
        for facts in (context.facts(analysis) for analysis in context.analyses)
        if facts.instrument is not None and facts.instrument.source
    }
    return tuple(sorted([*(REFERENCES[key] for key in keys), *instruments], key=str.casefold))


def _of_categories(context: ReportContext, analysis: Analysis) -> set[str]:
    """Return the references of an analysis of grades or responders: of its model, and of the tests without one."""
    results, within = context.results, context.protocol.is_within_patient
    model = f"{analysis.name}/{MODEL}"
    keys: set[str] = set()
    if context.facts(analysis).scale == "ordinal":
        keys |= {"pratt"} if within else {"mann-whitney", "brunner-munzel"}
        if results.text(model, "formula"):
            keys.add("mccullagh")
        if results.text(analysis.name, "led_by") == "model":
            keys.add("agresti-kateri")
    else:
        keys |= {"bliss", "newcombe-paired" if within else "newcombe"}
    if results.text(model, "formula"):
        if results.text(analysis.name, "led_by") == "model":
            keys.add("fda-covariates")
        if results.has(model, "variance"):
            keys |= {"hedeker-gibbons", "zeger"}
    if results.said(model, "left_out"):
        keys.add("albert-anderson")
    return keys


def limitations(context: ReportContext) -> tuple[str, ...]:
    """Return what limits the answer, from the design, the data and what the protocol does not say."""
    protocol, conduct = context.protocol, context.protocol.conduct
    items = list(_origin_limits(conduct.data_origin))
    if conduct.allocation is None:
        items.append(
            "How patients or lesions were allocated is not provided: differences are described, and no cause is "
            "claimed."
        )
    if conduct.blinding is None:
        items.append(
            "Whether assessors were blinded is not provided; unblinded assessment favours the new treatment."
        )
    if conduct.analysis_plan is None:
        items.append(
            "No date of an analysis plan is provided, so none of the analyses can be called prespecified."
        )
    if protocol.is_within_patient:
        items.append(
            "A patient's lesions have different arms: a treatment of one lesion that reaches the others hides part of "
            "its effect, and these data cannot show how much."
        )
    combination = context.results.text(context.primary.name, "combination")
    if protocol.arms.background_for(combination) is None:
        items.append("No arm received neither component, so that synergy cannot be estimated on any scale.")
    else:
        items.append(
            "Synergy depends on the scale: a combination can exceed the sum of its parts on one scale and not on "
            "another."
        )
    for label in protocol.arms.combinations:
        for component in protocol.arms.missing_parts(label):
            items.append(
                f"The contribution of {_lower(protocol.components[component])} to {label} cannot be assessed: the arm "
                "without it was not studied."
            )
    if any(context.results.text(f"{one.name}/{MODEL}", "formula") for one in context.analyses):
        items.append(
            "Models of grades and responders have normal reference distributions: with few patients "
            "their intervals are "
            "somewhat too narrow. Their probabilities are marginal, of patients like those studied on "
            "average, and their "
            "odds ratios are not ratios of risks."
        )
    items.append(
        "The answer holds for patients, lesions and regimens like those studied, and for the visit that was analysed."
    )
    return tuple(items)


def _origin_limits(origin: str) -> tuple[str, ...]:
    if origin == "synthetic":
        return ("The data are simulated. They show what the method does, and nothing about patients.",)
    if origin == "reconstructed":
        return (
            "The data are rebuilt from published summaries: they agree with the published counts, means and standard "
            "deviations, and hold no covariate, baseline or course that was not published.",
        )
    return ()
