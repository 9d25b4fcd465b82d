"""The checklist of CONSORT 2025 (Hopewell et al. 2025), for parallel-group trials."""

from __future__ import annotations

from reports.sections.checklist_items import (
    Item,
    additional_methods,
    ancillary,
    baseline,
    conduct,
    delivered,
    estimates,
    flow,
    harms,
    interpretation,
    losses,
    missing_methods,
    nowhere,
    outcomes,
    question_of_benefit,
    registration,
    section,
    statistics,
    title_names_randomised,
    who_is_analysed,
)

TITLE, OPEN, INTRODUCTION = "Title and abstract", "Open science", "Introduction"
METHODS, RESULTS, DISCUSSION = "Methods", "Results", "Discussion"

CONSORT_2025 = (
    Item("1a", TITLE, "Title: identification as a randomised trial", title_names_randomised, False),
    Item("1b", TITLE, "Structured abstract", nowhere, False),
    Item("2", OPEN, "Trial registration", registration, False),
    Item(
        "3",
        OPEN,
        "Where the protocol and the statistical analysis plan can be read",
        conduct("protocol_access"),
        False,
    ),
    Item("4", OPEN, "Data sharing", conduct("data_sharing"), False),
    Item("5a", OPEN, "Funding", conduct("funding"), False),
    Item("5b", OPEN, "Conflicts of interest", conduct("conflicts"), False),
    Item("6", INTRODUCTION, "Background and rationale", conduct("rationale"), False),
    Item("7", INTRODUCTION, "Objectives: benefits and harms", question_of_benefit, False),
    Item("8", METHODS, "Patient and public involvement", conduct("patient_involvement"), False),
    Item("9", METHODS, "Trial design", section("methods"), False),
    Item("10", METHODS, "Changes to the protocol after the trial began", conduct("changes"), False),
    Item("11", METHODS, "Trial setting", conduct("setting")),
    Item("12a", METHODS, "Eligibility of participants", conduct("eligibility")),
    Item("12b", METHODS, "Eligibility of sites and of those who deliver the interventions", nowhere),
    Item(
        "13",
        METHODS,
        "Intervention and comparator, with enough detail to repeat them",
        conduct("interventions"),
    ),
    Item("14", METHODS, "Primary and secondary outcomes, how and when measured", outcomes),
    Item("15", METHODS, "How harms were defined and assessed", conduct("harms_collection")),
    Item("16a", METHODS, "How the sample size was determined", conduct("sample_size")),
    Item("16b", METHODS, "Interim analyses and stopping guidelines", conduct("interim")),
    Item(
        "17a", METHODS, "Who generated the random sequence, and how", conduct("allocation", "implementation")
    ),
    Item(
        "17b",
        METHODS,
        "Type of randomisation, and its restrictions",
        conduct("allocation", remark="as far as the protocol says"),
    ),
    Item("18", METHODS, "Allocation concealment", conduct("concealment")),
    Item(
        "19",
        METHODS,
        "Whether those who enrolled and assigned had access to the sequence",
        conduct("implementation"),
    ),
    Item("20a", METHODS, "Who was blinded", conduct("blinding")),
    Item(
        "20b",
        METHODS,
        "How blinding was achieved, and how alike the interventions looked",
        conduct("blinding", "similarity"),
    ),
    Item("21a", METHODS, "Statistical methods for primary and secondary outcomes and harms", statistics),
    Item("21b", METHODS, "Who is in each analysis, and in which group", who_is_analysed),
    Item("21c", METHODS, "How missing data were handled", missing_methods),
    Item("21d", METHODS, "Methods of additional analyses", additional_methods),
    Item("22a", RESULTS, "Numbers randomised, treated and analysed in each group (diagram)", flow),
    Item("22b", RESULTS, "Losses and exclusions after randomisation, with reasons", losses),
    Item("23a", RESULTS, "Dates of recruitment and follow-up", conduct("dates")),
    Item("23b", RESULTS, "Why the trial ended or was stopped", conduct("interim")),
    Item("24a", RESULTS, "Intervention and comparator as they were delivered", delivered),
    Item("24b", RESULTS, "Concomitant care during the trial", nowhere),
    Item("25", RESULTS, "Baseline characteristics of each group", baseline),
    Item("26", RESULTS, "Numbers analysed, and effects with their precision, for each outcome", estimates),
    Item("27", RESULTS, "All harms in each group", harms),
    Item("28", RESULTS, "Other analyses, prespecified told from exploratory", ancillary),
    Item("29", DISCUSSION, "Interpretation consistent with the results", interpretation),
    Item("30", DISCUSSION, "Limitations: bias, imprecision, generalisability", section("limitations")),
)
"""In the statement's order."""
