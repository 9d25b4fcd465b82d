"""The checklist of CONSORT 2010 with its extension to trials within persons (Pandis et al. 2017)."""

from __future__ import annotations

from reports.sections.checklist_items import (
    Item,
    additional_methods,
    analysed,
    ancillary,
    baseline,
    binary_effects,
    conduct,
    estimates,
    flow,
    harms,
    interpretation,
    losses,
    nowhere,
    outcomes,
    question,
    registration,
    section,
    statistics,
    title_names_within_person,
)

TITLE, INTRODUCTION, METHODS = "Title and abstract", "Introduction", "Methods"
RESULTS, DISCUSSION, OTHER = "Results", "Discussion", "Other information"

WITHIN_PERSON = (
    Item(
        "1a",
        TITLE,
        "Identification as a within-person randomised trial in the title",
        title_names_within_person,
        False,
    ),
    Item(
        "1b",
        TITLE,
        "Structured summary of design, methods, results and conclusions, specifying the design",
        nowhere,
        False,
    ),
    Item(
        "2a",
        INTRODUCTION,
        "Background, and why treatments are compared within persons; risk of carry-across",
        conduct("rationale"),
    ),
    Item("2b", INTRODUCTION, "Objectives or hypotheses", question),
    Item(
        "3a",
        METHODS,
        "Rationale for a within-person design, and how body sites were identified",
        conduct("rationale"),
        False,
    ),
    Item(
        "3b", METHODS, "Important changes to methods after the trial began, with reasons", conduct("changes")
    ),
    Item(
        "4a",
        METHODS,
        "Eligibility criteria for participants, and for body sites",
        conduct("eligibility"),
        False,
    ),
    Item("4b", METHODS, "Settings and locations of the data", conduct("setting")),
    Item(
        "5",
        METHODS,
        "Interventions for each body site in detail, and whether sites were treated sequentially or concurrently",
        conduct("interventions", "timing"),
        False,
    ),
    Item("6a", METHODS, "Outcomes, and whether each is of a body site or of the person", outcomes, False),
    Item("6b", METHODS, "Changes to outcomes after the trial began, with reasons", conduct("changes")),
    Item(
        "7a",
        METHODS,
        "How sample size was determined, with the correlation between body sites",
        conduct("sample_size"),
    ),
    Item("7b", METHODS, "Interim analyses and stopping guidelines", conduct("interim")),
    Item(
        "8",
        METHODS,
        "How interventions were allocated to the body sites of a participant",
        conduct("allocation"),
    ),
    Item("9", METHODS, "How that allocation was concealed until assignment", conduct("concealment")),
    Item(
        "10",
        METHODS,
        "Who generated the sequence, enrolled participants and assigned body sites",
        conduct("implementation"),
    ),
    Item("11a", METHODS, "Who was blinded, and how", conduct("blinding")),
    Item("11b", METHODS, "How alike the interventions looked", conduct("similarity")),
    Item("12a", METHODS, "Statistical methods that take the pairing of body sites into account", statistics),
    Item("12b", METHODS, "Methods of subgroup and adjusted analyses", additional_methods),
    Item("13a", RESULTS, "Numbers of participants and of body sites at each stage (diagram)", flow),
    Item("13b", RESULTS, "Losses and exclusions of participants and of body sites, with reasons", losses),
    Item("14a", RESULTS, "Dates of recruitment and follow-up", conduct("dates")),
    Item("14b", RESULTS, "Why the trial ended or was stopped", conduct("interim")),
    Item(
        "15", RESULTS, "Baseline characteristics of participants, and of body sites by intervention", baseline
    ),
    Item("16", RESULTS, "Numbers of participants and of body sites in each analysis", analysed),
    Item(
        "17a",
        RESULTS,
        "Estimates with their precision, and the observed correlation between body sites",
        estimates,
    ),
    Item("17b", RESULTS, "Absolute and relative effects of binary outcomes", binary_effects),
    Item("18", RESULTS, "Other analyses, prespecified told from exploratory", ancillary),
    Item("19", RESULTS, "Harms by participant and by body site", harms),
    Item("20", DISCUSSION, "Limitations, among them carry-across between body sites", section("limitations")),
    Item("21", DISCUSSION, "Generalisability", section("limitations")),
    Item("22", DISCUSSION, "Interpretation consistent with the results", interpretation),
    Item("23", OTHER, "Registration number and registry", registration),
    Item("24", OTHER, "Where the protocol can be read", conduct("protocol_access")),
    Item("25", OTHER, "Funding and the role of funders", conduct("funding")),
)
"""In the guideline's order. What the extension does not change is CONSORT 2010, in our words."""
