"""What a synthetic trial is: a frozen `Scenario`, composed of an effect and a design, kept as TOML presets.

`load_scenario("synergy/within-patient")` puts ``presets/designs/within-patient.toml`` and
``presets/effects/synergy.toml`` together: the effect's general keys, then those under the design's condition,
override the design's. A scenario written to a file is one flat TOML and reads back equal.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import tomli_w
from pydantic import BaseModel, ValidationError

from outcomes.errors import ScenarioError
from outcomes.nearest import unknown
from synthetic_data.scenario_tables import (
    Arm,
    Correlation,
    Course,
    Dropout,
    LaserSettings,
    Measurement,
    People,
    PrpSettings,
    Response,
    Safety,
    ScenarioTable,
    Sessions,
    Site,
    Spread,
    Visit,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "DESIGNS",
    "EFFECTS",
    "Scenario",
    "list_scenarios",
    "load_scenario",
    "read_scenario",
    "write_scenario_toml",
]

EFFECTS: Final = (
    "null",
    "additive",
    "synergy",
    "highest-single-agent",
    "antagonism",
    "carry-across",
    "informative-dropout",
)
"""Names of the effect presets."""
DESIGNS: Final = ("within-patient", "parallel-four-arm", "parallel-three-arm", "split-face")
"""Names of the design presets; the first is meant where a scenario names an effect alone."""
_PRESETS: Final = Path(__file__).parent / "presets"


class Scenario(ScenarioTable):
    """Everything that a synthetic trial is drawn from. Frozen; `replace` returns a changed copy.

    Attributes
    ----------
    name : str
        "effect/design" for a preset.
    description : str
        In a sentence: what is true in this scenario.
    effect, layout : str
        Names of the presets that it was composed of (see `EFFECTS`, `DESIGNS`).
    design : {"parallel", "within-patient"}
        Whether one patient gets one arm, or every arm on lesions (sides) of their own.
    condition : {"vitiligo", "scar"}
        What is treated.
    patients : int
        Number of patients in all arms together.
    arms : tuple of Arm
        In the order in which they are shown.
    visits : tuple of Visit
        In the order of weeks; one at most is the baseline. The last is the visit of primary interest.
    laser, prp : LaserSettings, PrpSettings
        What is done in a session.
    response, spread, course, sessions, correlation : Response, Spread, Course, Sessions, Correlation
        From the therapies to the true response.
    sites : tuple of Site
        Body sites of lesions; empty where all lesions lie on one.
    measurement : Measurement
        The instrument (`Planimetry`, `Vasi` or `Posas`), and its error.
    dropout : Dropout
        Who is not assessed.
    safety : Safety
        Adverse events.
    people : People
        Who the patients are.
    """

    name: str
    description: str
    effect: str
    layout: str
    design: str
    condition: str
    patients: int
    arms: tuple[Arm, ...]
    visits: tuple[Visit, ...]
    laser: LaserSettings = LaserSettings()
    prp: PrpSettings = PrpSettings()
    response: Response
    spread: Spread
    course: Course
    sessions: Sessions
    correlation: Correlation
    sites: tuple[Site, ...] = ()
    measurement: Measurement
    dropout: Dropout
    safety: Safety = Safety()
    people: People = People()

    @property
    def is_within_patient(self) -> bool:
        """Whether every patient gets every arm."""
        return self.design == "within-patient"

    @property
    def follow_up(self) -> tuple[Visit, ...]:
        """The visits after treatment started."""
        return tuple(visit for visit in self.visits if not visit.baseline)

    @property
    def baseline(self) -> Visit | None:
        """The visit before treatment, where the instrument has one."""
        return next((visit for visit in self.visits if visit.baseline), None)

    def replace(self, **changes: Any) -> Scenario:
        """Return a changed and checked copy; tables change key by key, ``replace(dropout={"rate": 0.3})``.

        Raises
        ------
        ScenarioError
            Where a key is unknown or the changed scenario contradicts itself.
        """
        return _validated(_merged(self.to_dict(), changes), where=f"{self.name}, changed")

    def to_dict(self) -> dict[str, Any]:
        """Return plain TOML types."""
        return dict(_without_none(self.model_dump()))


def load_scenario(name: str | Path) -> Scenario:
    """Return a preset, or the scenario of a TOML file.

    Parameters
    ----------
    name : str or Path
        "effect/design" such as "synergy/within-patient" (see `list_scenarios`); an effect alone means the
        within-patient design; else the path of a scenario's TOML file.

    Raises
    ------
    ScenarioError
        Where there is no such preset or file, or the file contradicts itself.
    """
    text = str(name)
    if text.endswith(".toml"):
        return read_scenario(text)[0]
    effect, _, design = text.partition("/")
    for kind, part, known in (("effect", effect, EFFECTS), ("design", design or DESIGNS[0], DESIGNS)):
        if part not in known:
            raise ScenarioError(
                unknown(f"{kind} of a scenario", part, known),
                got=text,
                hint="an effect and a design, such as 'synergy/within-patient', or the path of a .toml file",
            )
    return _composed(effect, design or DESIGNS[0])


def list_scenarios() -> pd.DataFrame:
    """Return the presets: name, effect, design, arms, patients, endpoint, visits, description."""
    import pandas as pd

    scenarios = (_composed(effect, design) for effect, design in product(EFFECTS, DESIGNS))
    return pd.DataFrame(
        {
            "name": scenario.name,
            "effect": scenario.effect,
            "design": scenario.layout,
            "arms": ", ".join(arm.label for arm in scenario.arms),
            "patients": scenario.patients,
            "instrument": scenario.measurement.instrument,
            "visits": ", ".join(visit.name for visit in scenario.visits),
            "description": scenario.description,
        }
        for scenario in scenarios
    )


def read_scenario(path: str | Path) -> tuple[Scenario, int | None]:
    """Read a scenario's TOML file; return it and the seed that the file names, if it does.

    Raises
    ------
    ScenarioError
        Where the file cannot be read, is no TOML, or contradicts itself.
    """
    mapping = _toml(Path(path))
    seed = mapping.pop("seed", None)
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool) or seed < 0):
        raise ScenarioError(
            "The seed is no number.", expected="a whole number from 0", got=seed, where=str(path)
        )
    return _validated(mapping, where=str(path)), seed


def write_scenario_toml(scenario: Scenario, path: str | Path, seed: int | None = None) -> None:
    """Write a scenario, and the seed that a trial was drawn with, as TOML; `read_scenario` reads it back."""
    head = {} if seed is None else {"seed": seed}
    Path(path).write_bytes(tomli_w.dumps({**head, **scenario.to_dict()}).encode())


def _composed(effect: str, design: str) -> Scenario:
    base = _toml(_PRESETS / "designs" / f"{design}.toml")
    change = _toml(_PRESETS / "effects" / f"{effect}.toml")
    special = {condition: change.pop(condition, {}) for condition in ("vitiligo", "scar")}
    mapping = _merged(_merged(base, change), special[base["condition"]])
    mapping |= {"name": f"{effect}/{design}", "effect": effect, "layout": design}
    return _validated(mapping, where=f"preset {effect}/{design}")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise ScenarioError(
            f"The scenario cannot be read: {error.strerror or error}.",
            where=str(path),
            expected="a TOML file, or the name of a preset",
        ) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ScenarioError(f"The scenario is no TOML: {error}.", where=str(path)) from error


def _merged(base: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in change.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _validated(mapping: Mapping[str, Any], where: str) -> Scenario:
    from synthetic_data.scenario_checks import contradictions

    try:
        scenario = Scenario.model_validate(_tuples(mapping))
    except ValidationError as error:
        problems = [_problem(mapping, dict(detail)) for detail in error.errors(include_url=False)]
        raise ScenarioError(
            "The scenario has the wrong shape.", where=where, got="; ".join(dict.fromkeys(problems))
        ) from error
    problems = contradictions(scenario)
    if problems:
        raise ScenarioError("The scenario contradicts itself.", where=where, got="; ".join(problems))
    return scenario


def _problem(mapping: Mapping[str, Any], detail: dict[str, Any]) -> str:
    loc = detail["loc"]
    place = ".".join(str(step) for step in loc)
    if detail["type"] == "extra_forbidden":
        table = _table_at(loc[:-1])
        return f"{place}: {unknown('key', str(loc[-1]), table.model_fields)}"
    return f"{place}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _table_at(loc: tuple[int | str, ...]) -> type[BaseModel]:
    """Return the table that holds the last key of a place inside the scenario."""
    table: type[BaseModel] = Scenario
    choices: list[type[BaseModel]] = []
    for step in loc:
        if step in table.model_fields:
            choices = list(_models_in(table.model_fields[str(step)].annotation))
        chosen = [model for model in choices if len(choices) == 1 or str(step) in _tags(model)]
        table = chosen[0] if chosen else table
    return table


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _tags(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names by which a union of tables knows one of its members."""
    field = model.model_fields.get("instrument")
    return () if field is None else get_args(field.annotation)


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _without_none(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    return [_without_none(item) for item in value] if isinstance(value, tuple | list) else value
