"""The methods, ready to paste, and the limitations: made from what was done, not from a template's wish."""

from __future__ import annotations

from outcomes.endpoint import EndpointFacts
from outcomes.protocol import Analysis
from reports import categorical_words
from reports.bibliography import formatted, library
from reports.bibliography.citations import cite, instrument_key, keys_of
from reports.context import ReportContext
from reports.format import counted, join_words, sentence_case
from reports.model_words import covariance_words, covariate_name, fixed_words
from reports.narrative import in_words, lower_first
from reports.steps.continuous import SEVERAL_VISITS
from reports.steps.harms import LEVEL
from reports.steps.link_model import MODEL
from reports.steps.naive import OF_LESIONS
from reports.steps.over_visits import OVER_VISITS
from reports.steps.sensitivity import ALL_VISITS_ROBUST, CONSTRAINED, ROBUST
from reports.steps.subgroups import SUBGROUPS

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
    """Return the methods: data and populations, each analysis, the combination questions, what stands beside, software.

    The second paragraph is that of the primary analysis. Works are cited as ``[@laska]``.
    """
    paragraphs = [_data_paragraph(context)]
    paragraphs += [_analysis_paragraph(context, analysis) for analysis in context.analyses]
    paragraphs += [
        categorical_words.probability_paragraph(context),
        _combination_paragraph(context),
        _missing_paragraph(context),
        _beside_paragraph(context),
        _subgroups_paragraph(context),
        _baseline_paragraph(context),
        _harms_paragraph(context),
        _software_sentence(context),
    ]
    return tuple(paragraph for paragraph in paragraphs if paragraph)


def reference_list(context: ReportContext) -> tuple[str, ...]:
    """Return the references that the methods cite, in the order of citation and the journal's style."""
    works = library(context)
    keys = keys_of(methods_paragraphs(context), works)
    return tuple(formatted(works[key], context.protocol.report.style) for key in keys)


def _data_paragraph(context: ReportContext) -> str:
    protocol, primary = context.protocol, context.primary
    design = "within-patient" if protocol.is_within_patient else "parallel-group"
    guideline = (
        f"the CONSORT extension to within-person trials{cite('consort-within')}"
        if protocol.is_within_patient
        else f"the CONSORT 2025 statement{cite('consort-2025')}"
    )
    whom = "all patients" if primary.population == "all" else f"the population “{primary.population}”"
    facts = context.facts()
    described = lower_first(facts.describe()).rstrip(".")
    label = described[: len(facts.label)]
    measured = f"{label}{_instrument(facts)}{described.removeprefix(label)}"
    sentences = [
        f"This {design} trial had {in_words(len(protocol.arms))} arms: "
        f"{join_words(_arm(context, label) for label in protocol.arms)}.",
        f"The primary outcome was {measured}, at {primary.visit}, analysed in {whom}, each as allocated.",
        *_estimand_sentences(context),
        f"Reporting was guided by {guideline}.",
    ]
    return " ".join(sentences)


def _arm(context: ReportContext, label: str) -> str:
    """Return an arm with what it is made of; one that is called like that stands alone."""
    arms, components = context.protocol.arms, context.protocol.components
    if not arms[label]:
        return f"{label} (no component)"
    made_of = join_words(lower_first(components[name]) for name in arms.ordered_components(label))
    return label if made_of.casefold() == label.casefold() else f"{label} ({made_of})"


def _instrument(facts: EndpointFacts) -> str:
    """Cite the source of an endpoint's instrument."""
    instrument = facts.instrument
    return cite(instrument_key(instrument.name)) if instrument is not None and instrument.source else ""


def _estimand_sentences(context: ReportContext) -> list[str]:
    """Say that the estimand is given, and what was done with each intercurrent event."""
    estimand, name = context.primary.estimand, f"{context.primary.name}/intercurrent"
    if estimand is None:
        return []
    sentences = [f"The estimand is described by the attributes of ICH E9(R1){cite('ich-e9')}."]
    done: list[str] = []
    undone: list[str] = []
    for event in estimand.intercurrent_events:
        implemented = context.results.get(name, "implemented", level=event.event)
        (done if implemented else undone).append(f"{lower_first(event.event)} ({event.strategy})")
    if done:
        sentences.append(f"Intercurrent events and their strategies were {join_words(done)}.")
    if undone:
        sentences.append(f"The strategies named for {join_words(undone)} are not implemented.")
    return sentences


def _analysis_paragraph(context: ReportContext, analysis: Analysis) -> str:
    facts, results = context.facts(analysis), context.results
    lead = f"{analysis.role.capitalize()} analysis, {lower_first(facts.label)} at {analysis.visit}"
    if analysis.name != context.primary.name and facts.instrument != context.facts().instrument:
        lead += _instrument(facts)
    lead += ": "
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
    df_text, df_works = DF_METHODS[analysis.df_method]
    sentences = [
        f"{lead}a linear mixed model with fixed effects of {fixed_words(model)}, and with {covariance_words(model)} "
        f"({model}), was fitted by residual maximum likelihood{cite('patterson-thompson')} to {size}; inference was "
        f"with {df_text}{cite(*df_works)}.",
        model_reason(context, analysis).replace(
            "The model is the protocol's own.", "The protocol specifies this model."
        ),
        "" if results.value(name, "converged") else results.text(name, "convergence"),
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
    """Say what was compared, what a claim needs, and which claims are adjusted."""
    analysis, protocol = context.primary, context.protocol
    sides = "two-sided" if analysis.sided == 2 else "one-sided"
    sentences = [
        "The combination was compared with each of its parts, the arms with exactly one component fewer. It is called "
        "better than every part where the min test rejects: each comparison with a part must show benefit, and no "
        f"alpha is split for this joint claim{cite('laska')}.",
        f"Alpha was {_plain(context, analysis.alpha)}, {sides}.",
        "Claims about a single part, and the min tests of several combinations, are Holm-adjusted"
        f"{cite('holm')}; analyses other than the primary are descriptive.",
    ]
    if any(protocol.arms.background_for(label) for label in protocol.arms.combinations):
        sentences.append(
            "Synergy is another question, asked only after the min test, as the additive interaction"
            f"{cite('consort-factorial')}: what the combination does beyond the sum of what its parts do."
        )
    else:
        sentences.append(
            "Synergy is another question; it needs an arm that received neither component, and there was none."
        )
    return " ".join(filter(None, [*sentences, _bliss_sentence(context), _margin_sentence(context)]))


def _bliss_sentence(context: ReportContext) -> str:
    """Say how Bliss independence was asked: as a test, or, without an untreated arm, as a curve over assumptions."""
    binary = [one.name for one in context.analyses if context.facts(one).scale == "binary"]
    works = cite("bliss", "demidenko-miller")
    if any(line.estimable for name in binary for line in context.lines("bliss", name)):
        return f"For responders, synergy is also asked as the excess over Bliss independence{works}."
    if any(context.results.has(name, "bliss_excess") for name in binary):
        return (
            f"For responders, the excess over Bliss independence{works} is shown over assumed responses without "
            "treatment; it is not tested."
        )
    return ""


def _margin_sentence(context: ReportContext) -> str:
    analysis = context.primary
    if analysis.margin is None:
        return "No smallest important difference was given, so nothing is called equivalent or as good as another."
    source = f" ({analysis.margin_source})" if analysis.margin_source else ", without a source"
    return f"The smallest difference that matters is {_plain(context, analysis.margin)}{source}."


def _plain(context: ReportContext, value: float) -> str:
    """Return a number of the protocol with the decimals that it was given with."""
    return context.formatter.number(value, len(f"{value:g}".partition(".")[2]))


def _missing_paragraph(context: ReportContext) -> str:
    """Say what was done with missing values of the primary outcome, and what that assumes."""
    analysis, results = context.primary, context.results
    missing = {
        row.visit: row.value
        for row in results.select(analysis=f"{analysis.name}/observed", statistic="missing", arm="")
    }
    unit = context.facts().level
    if not any(missing.values()):
        return ""
    if results.text(analysis.name, "model_visits") == SEVERAL_VISITS:
        return (
            "Missing values were not imputed. The model uses every observed value and assumes that, given the values "
            "seen before and the covariates, being missed does not depend on the value itself (missing at random)."
        )
    if not missing.get(analysis.visit):
        return ""
    within = context.protocol.is_within_patient and _uses_others(context)
    given = "given the patient's other lesions and the covariates, " if within else "within an arm, "
    if not within and context.facts().scale == "continuous":
        given = "given the covariates, "
    return (
        f"Missing values were not imputed: a {unit} without a value at {analysis.visit} does not count, which assumes "
        f"that, {given}being missed does not depend on the value itself."
    )


def _uses_others(context: ReportContext) -> bool:
    """Whether the primary analysis uses the lesions of a patient of whom another is missing: by a model, it does."""
    name = context.primary.name
    by_model = context.results.text(name, "led_by") == "model"
    return context.facts().scale == "continuous" or by_model


def _beside_paragraph(context: ReportContext) -> str:
    """Name the sensitivity analyses, and how the correlation within patients was estimated."""
    name, results = context.primary.name, context.results
    variants = list(results.distinct("level", analysis=f"{name}/sensitivity"))
    others = len(context.protocol.data.alternatives)
    sentences = []
    if variants and others and others == len(variants):
        sentences.append(
            f"The primary analysis was repeated over the other {in_words(others)} reconstructions that agree with the "
            "published numbers as well."
        )
    elif variants:
        named = [f"{lower_first(one)}{_works_of(one)}" for one in variants]
        sentences.append(
            f"The primary question was asked again under other assumptions: {join_words(named)}."
        )
    if results.has(f"{name}/correlation", "icc"):
        kind = results.text(f"{name}/correlation", "correlation_kind")
        if kind == OF_LESIONS:
            how = f"the patients' share of the variance of their lesions{cite('henderson')}"
        else:
            how = f"the intraclass correlation for consistency{cite('mcgraw')}"
        sentences.append(f"The correlation between lesions of a patient is {how}.")
    return " ".join(sentences)


def _subgroups_paragraph(context: ReportContext) -> str:
    """Say how subgroups were compared; empty where none were."""
    name, results = f"{context.primary.name}/{SUBGROUPS}", context.results
    covariates = results.distinct("level", analysis=name, statistic="p_interaction")
    if not covariates:
        return ""
    words = join_words(lower_first(covariate_name(one)) for one in covariates)
    return (
        f"Subgroups by {words} are exploratory{cite('wang-subgroups')}: for each covariate the primary model with the "
        "interaction of arm and covariate, an F test of whether the combination's differences from its parts are the "
        "same in every level, and the differences within each level, without adjustment for the number of comparisons."
    )


def _baseline_paragraph(context: ReportContext) -> str:
    """Say how arms are compared before treatment, where they are: by distance and not by a test."""
    rows = context.results.select(analysis="baseline", statistic="largest_standardised_difference")
    if not rows:
        return ""
    return (
        "Characteristics before treatment are described by arm without tests; standardised differences are of means "
        f"over the root of the mean of both variances{cite('austin')}, and of the levels of a characteristic together"
        f"{cite('yang-dalton')}."
    )


def _works_of(variant: str) -> str:
    """Cite the works behind a sensitivity analysis."""
    if variant == CONSTRAINED:
        return cite("liang-zeger")
    if variant in (ROBUST, ALL_VISITS_ROBUST):
        return cite("bell-mccaffrey", "pustejovsky-tipton")
    return ""


def _harms_paragraph(context: ReportContext) -> str:
    """Say how harm was counted; empty where nothing of it was provided."""
    if not context.results.has("harms", "events"):
        return ""
    within = context.protocol.is_within_patient
    units = "lesions and patients" if within else "patients"
    apart = " Events that belong to no lesion were counted apart, by patient." if within else ""
    level = context.formatter.level(LEVEL)
    return (
        f"Harms{cite('consort-harms')} were counted as {units} with an event, of all that were allocated.{apart} The "
        f"limits of their proportions are exact (Clopper-Pearson, {level} two-sided){cite('clopper')}, so that a harm "
        "that was not seen has an upper limit too."
    )


def _software_sentence(context: ReportContext) -> str:
    versions = dict(context.results.software)
    tandem = versions.pop("tandem", "")
    python = versions.pop("python", "")
    others = join_words(f"{name} {version}" for name, version in versions.items())
    return f"Numbers were computed with tandem {tandem}{cite('tandem')} on Python {python}, {others}."


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
