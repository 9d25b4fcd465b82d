"""trial.toml -> a frozen, strict `Protocol`; every contradiction is listed, each with its key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, get_args

import tomli_w
from pydantic import BaseModel, BeforeValidator, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from outcomes.arms import Arms
from outcomes.endpoint import EndpointFacts, resolve_endpoint
from outcomes.errors import ProtocolError
from outcomes.nearest import unknown
from outcomes.plural import counted
from outcomes.protocol_tables import (
    Analysis,
    Conduct,
    Covariate,
    DataFiles,
    Endpoint,
    Estimand,
    IntercurrentEvent,
    Names,
    Population,
    ReportOptions,
    SectionChoice,
    StrictTable,
    Threshold,
    TrialFacts,
    Visit,
)

__all__ = [
    "Analysis",
    "Conduct",
    "Covariate",
    "DataFiles",
    "Endpoint",
    "EndpointFacts",
    "Estimand",
    "IntercurrentEvent",
    "Population",
    "Protocol",
    "ReportOptions",
    "SectionChoice",
    "Threshold",
    "TrialFacts",
    "Visit",
    "read_protocol",
    "read_report_options",
    "write_toml",
]


def _arms(raw: object) -> object:
    if isinstance(raw, Arms):
        return raw
    if not isinstance(raw, Mapping) or len(raw) == 0:
        raise PydanticCustomError("arms", "a table is needed, label in the data = [its components]")
    for label, parts in raw.items():
        if not isinstance(parts, list | tuple | frozenset) or not all(
            isinstance(part, str) for part in parts
        ):
            text = f'the arm {label!r} needs a list of components, such as ["laser"], not {parts!r}'
            raise PydanticCustomError("arms", "{text}", {"text": text})
        if len(set(parts)) != len(parts):
            text = f"the arm {label!r} names a component twice: {list(parts)!r}"
            raise PydanticCustomError("arms", "{text}", {"text": text})
    return Arms(raw)


class Protocol(StrictTable):
    """A trial's protocol, as `read_protocol` returns it. Frozen: nothing changes it.

    Attributes
    ----------
    trial : TrialFacts
        Identifier, title, condition, design, registration.
    conduct : Conduct
        What a referee asks for.
    components : mapping of str to str
        Name -> what it is.
    arms : Arms
        Label -> components, in the order in which arms are shown.
    visits : tuple of Visit
        In the order of weeks.
    data : DataFiles
        Files and the column map.
    covariates, populations, endpoints, analyses : tuple
        Of `Covariate`, `Population`, `Endpoint`, `Analysis`.
    report : ReportOptions
        Style and sections.
    """

    trial: TrialFacts
    conduct: Conduct = Conduct()
    components: Names
    arms: Annotated[Arms, BeforeValidator(_arms)]
    visits: tuple[Visit, ...]
    data: DataFiles = DataFiles()
    covariates: tuple[Covariate, ...] = ()
    populations: tuple[Population, ...] = ()
    endpoints: tuple[Endpoint, ...]
    analyses: tuple[Analysis, ...]
    report: ReportOptions = ReportOptions()

    @property
    def id(self) -> str:
        """Identifier of the trial."""
        return self.trial.id

    @property
    def title(self) -> str:
        """Title of the trial."""
        return self.trial.title

    @property
    def condition(self) -> str:
        """What is treated."""
        return self.trial.condition

    @property
    def design(self) -> str:
        """Either "parallel" or "within-patient"."""
        return self.trial.design

    @property
    def registration(self) -> str | None:
        """Registry number."""
        return self.trial.registration

    @property
    def is_within_patient(self) -> bool:
        """Whether lesions, sides or sites of one patient get different arms."""
        return self.trial.design == "within-patient"

    @property
    def has_lesions(self) -> bool:
        """Whether the trial's data know lesions."""
        return self.is_within_patient or self.data.lesions is not None

    @property
    def baseline_visit(self) -> Visit | None:
        """The visit before treatment."""
        return next((visit for visit in self.visits if visit.baseline), None)

    @property
    def post_baseline_visits(self) -> tuple[Visit, ...]:
        """The visits after treatment started, in order."""
        return tuple(visit for visit in self.visits if not visit.baseline)

    @property
    def primary_analysis(self) -> Analysis:
        """The one analysis whose role is primary."""
        return next(analysis for analysis in self.analyses if analysis.role == "primary")

    def endpoint(self, name: str) -> EndpointFacts:
        """Return an endpoint, resolved along its `from` chain and with its instrument.

        Raises
        ------
        ProtocolError
            Where the protocol has no such endpoint.
        """
        endpoints = {endpoint.name: endpoint for endpoint in self.endpoints}
        if name not in endpoints:
            raise ProtocolError(unknown("endpoint", name, endpoints), where="endpoints")
        return resolve_endpoint(
            endpoints,
            name,
            lesions_have_arms=self.is_within_patient,
            has_lesions=self.has_lesions,
            baseline_is_recorded=self.baseline_visit is not None or "baseline" in self.data.columns,
        )

    def population(self, name: str) -> Population | None:
        """Return a population, None for "all"; ProtocolError where the protocol has no such population."""
        if name == "all":
            return None
        known = {population.name: population for population in self.populations}
        if name not in known:
            raise ProtocolError(unknown("population", name, ("all", *known)), where="populations")
        return known[name]

    def analysis(self, name: str) -> Analysis:
        """Return an analysis by its name; ProtocolError where the protocol has no such analysis."""
        known = {analysis.name: analysis for analysis in self.analyses}
        if name not in known:
            raise ProtocolError(unknown("analysis", name, known), where="analyses")
        return known[name]

    @classmethod
    def from_dict(cls, mapping: Mapping[str, Any], where: str = "trial.toml") -> Protocol:
        """Build a protocol from the tables of trial.toml.

        Parameters
        ----------
        mapping : mapping
            As `tomllib` reads it.
        where : str
            What errors call the place.

        Raises
        ------
        ProtocolError
            Lists every unknown key, wrong type and contradiction, each with its key.
        """
        raw = with_default_analyses(_tuples(dict(mapping)))
        protocol, problems = _validate(raw)
        if protocol is not None:
            from outcomes.protocol_checks import contradictions

            problems += contradictions(protocol)
        if problems or protocol is None:
            raise ProtocolError(
                f"The protocol has {counted(len(problems), 'problem')}.", where=where, problems=problems
            )
        return protocol

    def to_dict(self) -> dict[str, Any]:
        """Return the tables of trial.toml as plain TOML types, without the keys that hold their default."""
        plain = _plain(self)
        files = {"patients": self.data.patients, "assessments": self.data.assessments}
        plain["data"] = {**files, **plain.get("data", {})}  # said even where they have the default names
        plain["arms"] = {label: list(self.arms.ordered_components(label)) for label in self.arms}
        return {key: plain[key] for key in type(self).model_fields if key in plain}


def read_protocol(path: str | Path) -> Protocol:
    """Read trial.toml.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Protocol
        Checked: names, order of visits, chains of endpoints, and all else that the file alone can tell.

    Raises
    ------
    ProtocolError
        Where the file cannot be read, is no TOML, or contradicts itself; lists every problem with its key.
    """
    mapping = read_tables(Path(path), "The protocol", "`tandem init` writes one to start from")
    return Protocol.from_dict(mapping, where=str(path))


def read_tables(file: Path, what: str, hint: str | None = None) -> dict[str, Any]:
    """Read a TOML file.

    Parameters
    ----------
    file : Path
        The file.
    what : str
        What errors call it, such as "The protocol".
    hint : str, optional
        What to do where it cannot be read.

    Raises
    ------
    ProtocolError
        Where the file cannot be read or is no TOML.
    """
    try:
        return tomllib.loads(file.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ProtocolError(
            f"{what} cannot be read: {error.strerror or error}.",
            where=str(file),
            expected="a TOML file",
            hint=hint,
        ) from error
    except UnicodeDecodeError as error:
        raise ProtocolError(
            f"{what} is not UTF-8: byte {error.start} is {error.object[error.start]:#04x}.",
            where=str(file),
            hint="save it as UTF-8",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError(f"{what} is no TOML: {error}.", where=str(file)) from error


def read_report_options(path: str | Path, planned: ReportOptions) -> ReportOptions:
    """Read report.toml: the keys of [report], each in the place of what the protocol says.

    Parameters
    ----------
    path : str or Path
        The file.
    planned : ReportOptions
        What the protocol says.

    Raises
    ------
    ProtocolError
        Where the file cannot be read, is no TOML, or has unknown keys or values.
    """
    file = Path(path)
    raw = _tuples(read_tables(file, "The report's options"))
    said = {name: getattr(planned, name) for name in planned.model_fields_set}
    try:
        return ReportOptions.model_validate(said | raw)
    except ValidationError as error:
        details = error.errors(include_url=False)
    found = (_problem({"report": raw}, {**detail, "loc": ("report", *detail["loc"])}) for detail in details)
    problems = [
        f"{place.removeprefix('[report], ').removeprefix('[report]')}: {text}" for place, text in found
    ]
    raise ProtocolError(
        f"The report's options have {counted(len(problems), 'problem')}.",
        where=str(file),
        problems=dict.fromkeys(problem.removeprefix(": ") for problem in problems),
    )


def write_toml(protocol: Protocol, path: str | Path) -> None:
    """Write a protocol as trial.toml; `read_protocol` reads an equal one back."""
    Path(path).write_bytes(toml_text(protocol.to_dict()).encode())


def toml_text(mapping: Mapping[str, Any]) -> str:
    """Return tables as TOML, with short lists on one line as people write them."""
    # tomli_w puts each element on a line of its own; raw line breaks never stand within one
    lists = re.compile(r"\[\n((?:[ ]+[^\n\[\]{}]+,\n)+)[ ]*\]")

    def on_one_line(match: re.Match[str]) -> str:
        joined = "[" + ", ".join(line.strip().rstrip(",") for line in match[1].splitlines()) + "]"
        return joined if len(joined) <= 100 else match[0]

    return lists.sub(on_one_line, tomli_w.dumps(mapping))


def with_default_analyses(raw: dict[str, Any]) -> dict[str, Any]:
    """Fill in what an analysis may leave out: its name, its visit, and which one is primary.

    Without any analysis, the first endpoint at the last visit is the primary one.
    """
    visits = [visit for visit in _tables(raw.get("visits")) if visit.get("baseline") is not True]
    last = visits[-1].get("name") if visits else None
    analyses = _tables(raw.get("analyses"))
    if "analyses" not in raw:
        first = next((endpoint.get("name") for endpoint in _tables(raw.get("endpoints"))), None)
        analyses = ({"endpoint": first, "role": "primary"},) if isinstance(first, str) else ()
    elif len(analyses) != len(raw["analyses"]):
        return raw
    primary_is_named = any(analysis.get("role") == "primary" for analysis in analyses)
    taken = {analysis["name"] for analysis in analyses if isinstance(analysis.get("name"), str)}
    filled = []
    for position, analysis in enumerate(analyses):
        full = dict(analysis)
        if "name" not in full and isinstance(full.get("endpoint"), str):
            full = {"name": _free_name(full["endpoint"], taken), **full}
            taken.add(full["name"])
        if "visit" not in full and last is not None:
            full["visit"] = last
        if "role" not in full and position == 0 and not primary_is_named:
            full["role"] = "primary"
        filled.append(full)
    return {**raw, "analyses": tuple(filled)}


def _free_name(name: str, taken: set[str]) -> str:
    number, candidate = 1, name
    while candidate in taken:
        number += 1
        candidate = f"{name} ({number})"
    return candidate


def _tables(value: object) -> tuple[dict[str, Any], ...]:
    return tuple(item for item in value if isinstance(item, dict)) if isinstance(value, tuple) else ()


def _tuples(value: Any) -> Any:
    """Lists become tuples, all the way down: strict models take no list for a tuple."""
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _plain(table: BaseModel) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if not field.is_required() and value == field.default:
            continue
        plain[field.alias or name] = _plain_value(value)
    return plain


def _plain_value(value: Any) -> Any:
    if isinstance(value, Threshold):
        return {value.op: _plain_value(value.value)}
    if isinstance(value, SectionChoice) and value.title is None:
        return value.key
    if isinstance(value, BaseModel):
        return _plain(value)
    if isinstance(value, Mapping):
        return {key: _plain_value(item) for key, item in value.items()}
    if isinstance(value, float) and value.is_integer():
        return int(value)  # weeks and cutpoints read better as they were written
    return [_plain_value(item) for item in value] if isinstance(value, tuple) else value


def _validate(raw: dict[str, Any]) -> tuple[Protocol | None, list[str]]:
    """Validate the shape; unknown keys are named and set aside, so that the rest is checked too."""
    problems: list[str] = []
    try:
        return Protocol.model_validate(raw), problems
    except ValidationError as error:
        details = error.errors(include_url=False)
    places: dict[str, list[str]] = {}
    for detail in details:
        place, text = _problem(raw, detail)
        places.setdefault(place, []).append(text)
    problems = [f"{place}: {' or '.join(dict.fromkeys(texts))}" for place, texts in places.items()]
    extra = [detail["loc"] for detail in details if detail["type"] == "extra_forbidden"]
    if len(extra) < len(details):
        return None, problems
    return Protocol.model_validate(_without(raw, extra)), problems


def _problem(raw: dict[str, Any], detail: ErrorDetails) -> tuple[str, str]:
    """Return the place of one problem, as a person finds it in the file, and what is wrong there."""
    place, model = _place(raw, detail["loc"])
    if detail["type"] == "extra_forbidden":
        known = [field.alias or name for name, field in model.model_fields.items()]
        return place, unknown("key", str(detail["loc"][-1]), known)
    if detail["type"] == "missing":
        return place, "the key is missing"
    message = detail["msg"].replace("Input should be", "expected").replace("valid tuple", "list")
    shown = "" if isinstance(detail["input"], Mapping | tuple) else f", got {detail['input']!r}"
    return place, message[0].lower() + message[1:] + shown


def _place(raw: dict[str, Any], loc: tuple[int | str, ...]) -> tuple[str, type[BaseModel]]:
    """Return e.g. ``[[endpoints]] 2 "grade", key cutpoints`` and the table that holds the key."""
    model: type[BaseModel] = Protocol
    value: Any = raw
    words: list[str] = []
    for depth, step in enumerate(loc):
        if isinstance(step, int):
            value = value[step] if isinstance(value, tuple) and step < len(value) else None
            name = value.get("name") or value.get("endpoint") if isinstance(value, Mapping) else None
            words.append(f"number {step + 1}" + (f" ({name!r})" if name else ""))
            continue
        field = next((f for n, f in model.model_fields.items() if step in (n, f.alias)), None)
        inner = None if field is None else _table_in(field.annotation)
        if field is None and not (isinstance(value, Mapping) and step in value):
            break  # the name of a union's member, which is no key
        value = value.get(step) if isinstance(value, Mapping) else None
        if depth == 0:
            words.append(f"[[{step}]]" if isinstance(value, tuple) else f"[{step}]")
        else:
            words.append(f"key {step!r}")
        if inner is not None and depth < len(loc) - 1:
            model = inner
    return ", ".join(words), model


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in get_args(annotation) if (found := _table_in(inner)) is not None), None)


def _without(value: Any, paths: list[tuple[int | str, ...]]) -> Any:
    here = {path[0] for path in paths if len(path) == 1}
    deeper: dict[int | str, list[tuple[int | str, ...]]] = {}
    for path in paths:
        if len(path) > 1:
            deeper.setdefault(path[0], []).append(path[1:])
    if isinstance(value, Mapping):
        return {key: _without(item, deeper.get(key, [])) for key, item in value.items() if key not in here}
    if isinstance(value, tuple):
        return tuple(_without(item, deeper.get(position, [])) for position, item in enumerate(value))
    return value
