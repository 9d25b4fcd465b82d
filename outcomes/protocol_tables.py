"""The tables of trial.toml as frozen, strict models; `outcomes.protocol` puts them together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from outcomes.arms import FrozenMapping
from outcomes.nearest import unknown

__all__ = [
    "Analysis",
    "Conduct",
    "Covariate",
    "DataFiles",
    "Endpoint",
    "Estimand",
    "IntercurrentEvent",
    "Population",
    "ReportOptions",
    "SectionChoice",
    "StrictTable",
    "Threshold",
    "TrialFacts",
    "Visit",
]

Names = Annotated[Mapping[str, str], AfterValidator(FrozenMapping)]
Text = Annotated[str, Field(min_length=1)]
DfMethod = Literal[
    "kenward-roger-linear", "kenward-roger", "satterthwaite", "between-within", "residual", "asymptotic"
]


class StrictTable(BaseModel):
    """Frozen, strict, and without room for unknown keys."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        populate_by_name=True,
        arbitrary_types_allowed=True,
        allow_inf_nan=False,
    )


class TrialFacts(StrictTable):
    """The table [trial]: what the trial is.

    Attributes
    ----------
    id, title : str
        Identifier and title, printed.
    condition : {"vitiligo", "scar", "striae", "other"}
        What is treated.
    design : {"parallel", "within-patient"}
        Within-patient: lesions, sides or sites of one patient get different arms.
    registration : str or None
        Registry number, printed.
    """

    id: Text
    title: Text
    condition: Literal["vitiligo", "scar", "striae", "other"] = "other"
    design: Literal["parallel", "within-patient"]
    registration: str | None = None


class Conduct(StrictTable):
    """The table [conduct]: what a referee asks for; None is printed as "not provided".

    Attributes
    ----------
    allocation, concealment, sides, blinding, analysis_plan, prespecified, sample_size : str or None
        How lesions or patients were allocated, how that was concealed, whether sides were randomised or
        fixed, who was blinded, the date of the analysis plan, what was prespecified, the sample-size basis.
    rationale, eligibility, setting, interventions, timing : str or None
        Why this design and how body sites were found; who and which sites were eligible; where; what was done,
        with enough detail to repeat it; whether a patient's sites were treated at once or one after another.
    implementation, similarity, harms_collection, dates, interim, changes : str or None
        Who enrolled and assigned; how alike the treatments looked; how harms were asked for; dates of
        recruitment and follow-up; interim looks and stopping; changes after the trial began.
    patient_involvement, protocol_access, data_sharing, funding, conflicts : str or None
        What reporting guidelines ask for beside the trial itself.
    data_origin : {"observed", "synthetic", "reconstructed"}
        Stamped on every page of a report unless observed.
    """

    allocation: str | None = None
    concealment: str | None = None
    sides: str | None = None
    blinding: str | None = None
    analysis_plan: str | None = None
    prespecified: str | None = None
    sample_size: str | None = None
    rationale: str | None = None
    eligibility: str | None = None
    setting: str | None = None
    interventions: str | None = None
    timing: str | None = None
    implementation: str | None = None
    similarity: str | None = None
    harms_collection: str | None = None
    dates: str | None = None
    interim: str | None = None
    changes: str | None = None
    patient_involvement: str | None = None
    protocol_access: str | None = None
    data_sharing: str | None = None
    funding: str | None = None
    conflicts: str | None = None
    data_origin: Literal["observed", "synthetic", "reconstructed"] = "observed"


class Visit(StrictTable):
    """One of [[visits]].

    Attributes
    ----------
    name : str
        As in the data.
    week : float
        Planned week; treatment starts at week 0.
    window : tuple of float or None
        First and last week allowed, both included.
    baseline : bool
        Whether this is the visit before treatment; one visit at most.
    out_of_window : {"defect", "keep"}
        What an assessment outside the window is.
    """

    name: Text
    week: float
    window: tuple[float, float] | None = None
    baseline: bool = False
    out_of_window: Literal["defect", "keep"] = "defect"


class DataFiles(StrictTable):
    """The table [data]: where the data lie and what their columns are called.

    Attributes
    ----------
    patients, assessments : str
        Files with one row a patient, and one row a patient (or lesion) and visit; relative to trial.toml.
    lesions, events : str or None
        Files with one row a lesion, and one row an adverse event. A within-patient trial without a lesions
        file takes its lesions from the assessments, which then carry the columns ``lesion`` and ``arm``.
    events_complete : bool
        Whether every adverse event stands in the file of events, so that no row means that none occurred.
    missing : tuple of str
        What stands for a missing value, exactly.
    columns : mapping of str to str
        Our column name = theirs. Beside the canonical columns and any column that the protocol names,
        ``parameter``, ``value`` and ``baseline`` declare that `assessments` is long over parameters, as an
        ADaM BDS frame is: ``parameter = "PARAMCD"``, ``value = "AVAL"``, ``baseline = "BASE"``. An endpoint's
        ``column`` then names a value of the parameter column, and BASE supplies its baseline.
    sheets : mapping of str to str
        For Excel workbooks of several sheets: ``patients = "ADSL"``.
    encoding : str
        Of the text files.
    separator : str
        Of the CSV files.
    missing_baseline : {"defect", "keep"}
        What it is when a patient (or lesion) has an outcome after treatment, but none before.
    assessments_where : str or None
        A query on the assessments as they stand in the file, such as ``"ANL01FL == 'Y'"``: the rows that
        do not fulfil it are left out, and counted.
    alternatives : tuple of str
        Files that could each stand in the place of `assessments`: complete tables that agree with what is
        known equally well, such as the other reconstructions of a published summary. A report repeats the
        primary analysis over them; `Trial.alternatives` gives each as a trial.
    """

    patients: Text = "patients.csv"
    lesions: Text | None = None
    assessments: Text = "assessments.csv"
    events: Text | None = None
    events_complete: bool = False
    missing: tuple[str, ...] = ("", "NA", ".")
    columns: Names = FrozenMapping({})
    sheets: Names = FrozenMapping({})
    encoding: Text = "utf-8"
    separator: Annotated[str, Field(min_length=1, max_length=1)] = ","
    missing_baseline: Literal["defect", "keep"] = "defect"
    assessments_where: Text | None = None
    alternatives: tuple[Text, ...] = ()

    def theirs(self, column: str) -> str:
        """Return what the files call our `column`."""
        return self.columns.get(column, column)

    @property
    def alternative_names(self) -> tuple[str, ...]:
        """What people call the alternatives: ``"laser solution 2"`` for ``alternatives/laser_solution_2.csv``."""
        return tuple(PurePath(file).stem.replace("_", " ") for file in self.alternatives)

    @property
    def is_long(self) -> bool:
        """Whether the assessments are long over parameters (an ADaM BDS frame)."""
        return "parameter" in self.columns


class Covariate(StrictTable):
    """One of [[covariates]].

    Attributes
    ----------
    name : str
        As models call it.
    level : {"patient", "lesion"}
        Whose property it is: read from the patients' or the lesions' file.
    kind : {"numeric", "categorical"}
        Categorical ones declare `levels`, of which the first is the reference.
    levels : tuple of str or None
        Declared order.
    unit : str or None
        Of a numeric covariate.
    minimum, maximum : float or None
        Possible range of a numeric covariate, both ends included.
    column : str or None
        In the file, where it is not called `name`.
    """

    name: Text
    level: Literal["patient", "lesion"] = "patient"
    kind: Literal["numeric", "categorical"]
    levels: tuple[Text, ...] | None = None
    unit: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    column: Text | None = None

    @property
    def source_column(self) -> str:
        """The column it is read from, before the column map."""
        return self.column or self.name


class Population(StrictTable):
    """One of [[populations]]; "all" always exists.

    Attributes
    ----------
    name : str
        As analyses name it.
    where : str
        A pandas query on patients joined with their lesions, such as ``"sessions_done >= 5"``.
    exclude_reason : str
        Why the others are left out; counted in the report.
    """

    name: Text
    where: Text
    exclude_reason: Text = "does not fulfil the definition of the population"


class Threshold(StrictTable):
    """What makes a responder: the value is `op` the limit `value`.

    Attributes
    ----------
    op : {"above", "at_least", "below", "at_most"}
        In trial.toml: ``threshold = { above = 75 }``.
    value : float
        In the unit of the endpoint it is applied to.
    """

    op: Literal["above", "at_least", "below", "at_most"]
    value: float

    def describe(self) -> str:
        """Return e.g. "above 75"."""
        return f"{self.op.replace('_', ' ')} {self.value:g}".replace("-", "−")


def _threshold(raw: object) -> object:
    if isinstance(raw, Mapping) and len(raw) == 1 and set(raw) != {"op"}:
        ((op, value),) = raw.items()
        known = ("above", "at_least", "below", "at_most")
        if op not in known:
            raise PydanticCustomError("threshold", "{text}", {"text": unknown("key", str(op), known)})
        return {"op": op, "value": value}
    if isinstance(raw, Mapping) and len(raw) != 2:
        raise PydanticCustomError(
            "threshold", "one limit is needed, such as {{ above = 75 }} (above, at_least, below, at_most)"
        )
    return raw


class Endpoint(StrictTable):
    """One of [[endpoints]]: what is measured, and what is derived from it.

    Attributes
    ----------
    name : str
        As analyses name it.
    label : str or None
        For people; by default the instrument's title or the name.
    instrument : str or None
        Sets range, direction, unit and level; without it, the four keys below describe a raw column.
    column : str or None
        Column of the assessments (or a value of the parameter column, where the data are long).
    items : mapping of str to str or None
        Instrument's item -> column; the items are scored.
    from_ : str or None
        TOML key ``from``: the endpoint that this one is derived from.
    derive : {"value", "change", "percent-change", "percent-repigmentation", "responder", "grade"} or None
        By default "grade" where cutpoints are given or the instrument is an ordered grade, "responder" where
        a threshold is given, else "value".
    cutpoints : tuple of float or None
        c0 < c1 < ...: G0 is at most c0; G1 is (c0, c1]; ...; the last grade is above the last cutpoint.
    threshold : Threshold or None
        Of a responder.
    minimum, maximum : float or None
        Possible range of a raw column, or a narrower one than the instrument's.
    direction : {"higher is better", "lower is better"} or None
        Of a raw column.
    unit : str or None
        Of a raw column.
    level : {"patient", "lesion"} or None
        Whose outcome it is.
    baseline : {"measured", "none"} or float or None
        Whether there is a value before treatment; a number says that it is that by definition.
    baseline_column : str or None
        Column of the assessments that repeats the baseline on each row, where there is no baseline visit.
    missing_items : {"strict", "published"}
        A total with a missing item is missing, or follows the rule of the instrument's authors.
    """

    name: Text
    label: str | None = None
    instrument: Text | None = None
    column: Text | None = None
    items: Names | None = None
    from_: Annotated[Text | None, Field(alias="from")] = None
    derive: (
        Literal["value", "change", "percent-change", "percent-repigmentation", "responder", "grade"] | None
    ) = None
    cutpoints: tuple[float, ...] | None = None
    threshold: Annotated[Threshold | None, BeforeValidator(_threshold)] = None
    minimum: float | None = None
    maximum: float | None = None
    direction: Literal["higher is better", "lower is better"] | None = None
    unit: str | None = None
    level: Literal["patient", "lesion"] | None = None
    baseline: Literal["measured", "none"] | float | None = None
    baseline_column: Text | None = None
    missing_items: Literal["strict", "published"] = "strict"

    @property
    def columns(self) -> tuple[str, ...]:
        """The assessment columns that the endpoint itself reads."""
        if self.items is not None:
            return tuple(self.items.values())
        return () if self.column is None else (self.column,)


class IntercurrentEvent(StrictTable):
    """An intercurrent event of an estimand (ICH E9(R1)) and the strategy for it.

    Attributes
    ----------
    event : str
        For people.
    flag : str
        A column of the patients, lesions or assessments: 1/0, true/false, yes/no or Y/N.
    strategy : str
        "treatment policy", "hypothetical" and "composite" are carried out; any other is printed as "not
        implemented".
    scope : {"patient", "lesion"} or None
        Whom the event touches. By default all lesions of the patient, unless the flag is a lesions' column.
    """

    event: Text
    flag: Text
    strategy: Text
    scope: Literal["patient", "lesion"] | None = None


class Estimand(StrictTable):
    """The table [analyses.estimand]: the five attributes of ICH E9(R1), printed as a table.

    Attributes
    ----------
    population, treatment, variable, summary : str or None
        In words.
    intercurrent_events : tuple of IntercurrentEvent
        Each with its strategy.
    """

    population: str | None = None
    treatment: str | None = None
    variable: str | None = None
    intercurrent_events: tuple[IntercurrentEvent, ...] = ()
    summary: str | None = None


class Analysis(StrictTable):
    """One of [[analyses]].

    Attributes
    ----------
    name : str
        By default the endpoint's name, made unique.
    endpoint : str
        Name of an endpoint.
    role : {"primary", "secondary", "sensitivity", "exploratory"}
        Exactly one analysis is primary: the first, where none says so.
    population : str
        Name of a population, or "all".
    visit : str
        Visit of interest; by default the last.
    model : str or None
        Formula; None is the design's default.
    df_method : str
        Denominator degrees of freedom.
    fallback : tuple of str
        Covariance and random terms tried in order where the model cannot be fitted.
    alpha : float
        In (0, 0.5).
    sided : {1, 2}
        Whether alpha is one- or two-sided.
    margin : float or None
        Smallest difference that matters, in the endpoint's unit.
    margin_source : str or None
        Where the margin comes from.
    comparisons : tuple of (str, str) or None
        Pairs of arm labels to compare; None compares each combination with its parts.
    estimand : Estimand or None
        Printed, and its strategies carried out.
    """

    name: Text
    endpoint: Text
    role: Literal["primary", "secondary", "sensitivity", "exploratory"] = "secondary"
    population: Text = "all"
    visit: Text
    model: Text | None = None
    df_method: DfMethod = "kenward-roger-linear"
    fallback: tuple[Text, ...] = ()
    alpha: Annotated[float, Field(gt=0, lt=0.5)] = 0.05
    sided: Literal[1, 2] = 2
    margin: Annotated[float | None, Field(gt=0)] = None
    margin_source: Text | None = None
    comparisons: tuple[tuple[str, str], ...] | None = None
    estimand: Estimand | None = None


class SectionChoice(StrictTable):
    """A section that a report is to hold: its key alone, or ``{ key = "harms", title = "Harm" }``.

    Attributes
    ----------
    key : str
        Of a section.
    title : str or None
        In the place of the section's own.
    """

    key: Text
    title: Text | None = None


def _sections(raw: object) -> object:
    """Take a key for a list of one, and a key in a list for a section with its own title."""
    if raw == "default":
        return raw
    entries = (raw,) if isinstance(raw, str | SectionChoice) else raw
    if not isinstance(entries, tuple | list):
        text = 'expected "default", or a list of keys and of { key = "...", title = "..." }'
        raise PydanticCustomError("sections", "{text}", {"text": f"{text}, got {raw!r}"})
    choices = tuple(_section(entry, place) for place, entry in enumerate(entries, start=1))
    keys = [choice.key for choice in choices]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise PydanticCustomError(
            "sections",
            "{text}",
            {"text": f"{', '.join(map(repr, twice))} is named twice; a section stands once"},
        )
    return choices


def _section(entry: object, place: int) -> SectionChoice:
    if isinstance(entry, SectionChoice):
        return entry
    text = f'number {place} must be a key or {{ key = "...", title = "..." }}, got {entry!r}'
    if isinstance(entry, str):
        entry = {"key": entry}
    if isinstance(entry, Mapping):
        known = ("key", "title")
        strange = [str(key) for key in entry if key not in known]
        if strange:
            text = f"number {place}: {unknown('key', strange[0], known)}"
        elif "key" in entry and all(isinstance(value, str) and value.strip() for value in entry.values()):
            return SectionChoice(key=entry["key"], title=entry.get("title"))
    raise PydanticCustomError("sections", "{text}", {"text": text})


class ReportOptions(StrictTable):
    """The table [report], and the keys of report.toml.

    Attributes
    ----------
    style : {"jama", "lancet", "nejm", "csr"}
        House style of numbers.
    sections : "default" or tuple of SectionChoice
        "default", or the sections wanted in their order.
    omit : tuple of str
        Keys of sections to leave out.
    """

    style: Literal["jama", "lancet", "nejm", "csr"] = "jama"
    sections: Annotated[Literal["default"] | tuple[SectionChoice, ...], BeforeValidator(_sections)] = (
        "default"
    )
    omit: tuple[Text, ...] = ()
