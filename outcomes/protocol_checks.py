"""What one table of a protocol says of another, checked: names, orders, chains, ranges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING

from outcomes.endpoint import (
    EndpointFacts,
    default_derivation,
    endpoint_chain,
    find_instrument,
)
from outcomes.errors import ScoringError
from outcomes.nearest import unknown
from outcomes.query import QueryProblem, query_names

if TYPE_CHECKING:
    from outcomes.protocol import Protocol
    from outcomes.protocol_tables import Analysis, Endpoint

__all__ = ["CANONICAL_COLUMNS", "contradictions"]

CANONICAL_COLUMNS = {
    "patients": ("patient", "arm", "treatment_date"),
    "lesions": ("patient", "lesion", "arm"),
    "assessments": ("patient", "lesion", "arm", "visit", "week", "date"),
    "events": ("patient", "lesion", "term", "severity", "start_week", "end_week", "related"),
}
"""The columns that tandem knows by its own names, file by file."""

_NO_LESIONS = "there are no lesions in this trial; name their file in [data], key 'lesions'"

FRAME_COLUMNS = (
    "patient", "lesion", "arm", "visit", "week", "date", "baseline", "value", "change", "baseline_mean",
    "baseline_deviation",
)  # fmt: skip


def contradictions(protocol: Protocol) -> list[str]:
    """Return one line a contradiction, each naming its key; an empty list where there is none."""
    found = [*_arms(protocol), *_visits(protocol), *_covariates(protocol), *_populations(protocol)]
    broken = list(_endpoints(protocol))
    found += broken
    found += _data(protocol)
    found += _analyses(protocol, resolvable=not broken)
    return found


def _repeated(table: str, names: Iterable[str]) -> Iterator[str]:
    for name, count in Counter(names).items():
        if count > 1:
            yield f"[[{table}]]: {count} are called {name!r}; each needs a name of its own"


def _unusable_name(name: str) -> str | None:
    """Say why a name cannot stand for a column in a model formula, or None where it can."""
    if not name.isidentifier():
        return f"{name!r} cannot stand in a model formula; use letters, digits and _"
    if name in FRAME_COLUMNS:
        return f"{name!r} is the name of a column that every endpoint has; use another"
    return None


def _arms(protocol: Protocol) -> Iterator[str]:
    for name in protocol.components:
        why = _unusable_name(name)
        if why is not None:
            yield f"[components], key {name!r}: {why}"
    for label, parts in protocol.arms.items():
        for part in sorted(parts - set(protocol.components)):
            yield f"[arms], key {label!r}: {unknown('component', part, protocol.components)}"
        if label != label.strip() or not label:
            yield f"[arms], key {label!r}: the label begins or ends with blanks, or is empty"
    if len(protocol.arms) < 2:
        yield "[arms]: a trial compares two arms or more"
    groups: dict[frozenset[str], list[str]] = {}
    for label, parts in protocol.arms.items():
        groups.setdefault(parts, []).append(label)
    for labels in groups.values():
        if len(labels) > 1:
            listed = " and ".join(map(repr, labels))
            yield f"[arms]: {listed} have the same components; give what sets them apart a component"


def _visits(protocol: Protocol) -> Iterator[str]:
    visits = protocol.visits
    yield from _repeated("visits", (visit.name for visit in visits))
    baselines = [visit for visit in visits if visit.baseline]
    if len(baselines) > 1:
        named = ", ".join(repr(visit.name) for visit in baselines)
        yield f"[[visits]], key 'baseline': at most one visit is the baseline, not {named}"
    if len(baselines) == len(visits):
        yield "[[visits]]: at least one visit after treatment is needed"
    for before, after in pairwise(visits):
        if after.week <= before.week:
            yield (
                f"[[visits]], {after.name!r}, key 'week': week {after.week:g} does not follow week "
                f"{before.week:g} of {before.name!r}; list the visits in the order of their weeks"
            )
    if len(baselines) == 1 and not visits[0].baseline:
        yield f"[[visits]], {baselines[0].name!r}, key 'baseline': the baseline is not the first visit"
    for visit in visits:
        place = f"[[visits]], {visit.name!r}"
        if visit.baseline and visit.week > 0:
            yield f"{place}, key 'week': a baseline in week {visit.week:g}, but treatment starts in week 0"
        if visit.window is None:
            continue
        low, high = visit.window
        if not low <= visit.week <= high:
            yield f"{place}, key 'window': [{low:g}, {high:g}] does not hold the visit's week {visit.week:g}"


def _covariates(protocol: Protocol) -> Iterator[str]:
    yield from _repeated("covariates", (covariate.name for covariate in protocol.covariates))
    for covariate in protocol.covariates:
        place = f"[[covariates]], {covariate.name!r}"
        why = _unusable_name(covariate.name)
        if why is not None:
            yield f"{place}, key 'name': {why}, and key 'column' for the name in the file"
        if covariate.name in protocol.components:
            yield f"{place}, key 'name': a component is called so too"
        if covariate.kind == "categorical" and not covariate.levels:
            yield f"{place}, key 'levels': a categorical covariate declares its levels, the reference first"
        if covariate.kind == "numeric" and covariate.levels is not None:
            yield f"{place}, key 'levels': a numeric covariate has no levels"
        low, high = covariate.minimum, covariate.maximum
        for key, bound in (("minimum", low), ("maximum", high)):
            if bound is not None and covariate.kind == "categorical":
                yield f"{place}, key {key!r}: a categorical covariate has no range"
        if low is not None and high is not None and low >= high:
            yield f"{place}, key 'minimum': {low:g} is not below the maximum {high:g}"
        for level, count in Counter(covariate.levels or ()).items():
            if count > 1:
                yield f"{place}, key 'levels': {level!r} stands there {count} times"
        if covariate.level == "lesion" and not protocol.has_lesions:
            yield f"{place}, key 'level': {_NO_LESIONS}"


def _populations(protocol: Protocol) -> Iterator[str]:
    yield from _repeated("populations", (population.name for population in protocol.populations))
    for population in protocol.populations:
        place = f"[[populations]], {population.name!r}"
        if population.name == "all":
            yield f"{place}, key 'name': the population \"all\" always exists"
        try:
            query_names(population.where)
        except QueryProblem as problem:
            yield f"{place}, key 'where': {problem}"


def _endpoints(protocol: Protocol) -> Iterator[str]:
    yield from _repeated("endpoints", (endpoint.name for endpoint in protocol.endpoints))
    if not protocol.endpoints:
        yield "[[endpoints]]: at least one is needed"
    by_name = {endpoint.name: endpoint for endpoint in protocol.endpoints}
    for endpoint in protocol.endpoints:
        place = f"[[endpoints]], {endpoint.name!r}"
        own = [*_source(endpoint, by_name), *_instrument(endpoint), *_derivation(endpoint)]
        for problem in own:
            yield f"{place}, {problem}"
        if own:
            continue
        try:
            chain = endpoint_chain(by_name, endpoint.name)
            facts = protocol.endpoint(endpoint.name)
        except (ValueError, ScoringError) as problem:
            if endpoint.from_ in by_name or endpoint.from_ is None:
                yield f"{place}, key 'from': {problem}"
            continue
        for text in _along_the_chain(protocol, endpoint, chain, facts):
            yield f"{place}, {text}"


def _source(endpoint: Endpoint, by_name: dict[str, Endpoint]) -> Iterator[str]:
    given = [
        key
        for key, value in (("column", endpoint.column), ("items", endpoint.items), ("from", endpoint.from_))
        if value
    ]
    if len(given) != 1:
        got = " and ".join(map(repr, given)) if given else "none of them"
        yield f"keys 'column', 'items', 'from': exactly one says where the endpoint comes from, not {got}"
    if endpoint.from_ is not None and endpoint.from_ not in by_name:
        others = [name for name in by_name if name != endpoint.name]
        yield f"key 'from': {unknown('endpoint', endpoint.from_, others)}"
    if endpoint.from_ is not None:
        for key in ("minimum", "maximum", "unit", "level", "baseline", "baseline_column"):
            if getattr(endpoint, key) is not None:
                yield f"key {key!r}: it belongs to the endpoint that reads the data, {endpoint.from_!r}"
    if endpoint.baseline_column is not None and (
        endpoint.baseline is not None and endpoint.baseline != "measured"
    ):
        yield "key 'baseline_column': the key 'baseline' says that nothing is measured there"
    if endpoint.items is not None and endpoint.baseline_column is not None:
        yield "key 'baseline_column': items have one baseline each; give a baseline visit instead"


def _instrument(endpoint: Endpoint) -> Iterator[str]:
    if endpoint.instrument is None:
        if endpoint.items is not None:
            yield "key 'instrument': items are scored by an instrument; name it"
        needs_direction = endpoint.from_ is None and endpoint.derive != "percent-repigmentation"
        if needs_direction and endpoint.direction is None and endpoint.items is None:
            yield 'key \'direction\': "higher is better" or "lower is better" is needed without an instrument'
        if endpoint.derive == "grade" and endpoint.cutpoints is None:
            yield "key 'cutpoints': a grade needs cutpoints, or an instrument whose grades stand in the data"
        return
    try:
        instrument = find_instrument(endpoint.instrument)
    except ScoringError as problem:
        yield f"key 'instrument': {problem.message}"
        return
    assert instrument is not None
    if instrument.kind == "nominal":
        yield f"key 'instrument': {instrument.name!r} has categories without an order: nothing compares them"
        return
    if endpoint.items is not None:
        items = {item.name: item for item in instrument.items}
        for name in endpoint.items:
            if name not in items:
                yield f"key 'items': {unknown('item', name, items)}"
        for name, item in items.items():
            if name not in endpoint.items and item.scored:
                yield f"key 'items': the item {name!r} of {instrument.name!r} is missing"
    if endpoint.missing_items == "published" and instrument.missing_rule.name == "none":
        yield f"key 'missing_items': no rule for missing items is published for {instrument.name!r}"
    stated = None if endpoint.direction is None else endpoint.direction == "higher is better"
    known = instrument.higher_is_better
    if known is None and stated is None and endpoint.from_ is None:
        yield f"key 'direction': {instrument.name!r} has no direction of its own; say which is better"
    if None not in (known, stated) and known != stated:
        yield f"key 'direction': {endpoint.direction!r} contradicts the instrument {instrument.name!r}"
    if endpoint.derive == "grade" and endpoint.cutpoints is None and not instrument.grades:
        yield f"key 'cutpoints': a grade needs cutpoints, since {instrument.name!r} has no grades"


def _derivation(endpoint: Endpoint) -> Iterator[str]:
    try:
        derive = default_derivation(endpoint, find_instrument(endpoint.instrument))
    except ScoringError:
        return  # said by _instrument
    if derive == "responder" and endpoint.threshold is None:
        yield "key 'threshold': a responder needs one, such as { above = 75 }"
    if derive != "responder" and endpoint.threshold is not None:
        yield f"key 'threshold': it belongs to derive = \"responder\", not to {derive!r}"
    if derive != "grade" and endpoint.cutpoints is not None:
        yield f"key 'cutpoints': they belong to derive = \"grade\", not to {derive!r}"
    cuts = endpoint.cutpoints
    if cuts is not None and not cuts:
        yield "key 'cutpoints': at least one is needed"
    if cuts is not None and any(high <= low for low, high in pairwise(cuts)):
        yield f"key 'cutpoints': [{', '.join(f'{cut:g}' for cut in cuts)}] do not increase"
    low, high = endpoint.minimum, endpoint.maximum
    if low is not None and high is not None and low >= high:
        yield f"key 'minimum': {low:g} is not below the maximum {high:g}"


def _along_the_chain(
    protocol: Protocol, endpoint: Endpoint, chain: tuple[Endpoint, ...], facts: EndpointFacts
) -> Iterator[str]:
    from_baseline = {"change", "percent-change", "percent-repigmentation"}
    if facts.derive in from_baseline and not facts.has_baseline:
        yield (
            f"key 'derive': {facts.derive!r} needs a value before treatment: a visit with baseline = true, "
            "the key 'baseline_column', or [data.columns] baseline"
        )
    before = protocol.endpoint(chain[-2].name) if len(chain) > 1 else None
    if before is not None and facts.derive in from_baseline and before.derive != "value":
        yield f"key 'derive': {facts.derive!r} needs measured values; {before.name!r} is a {before.derive}"
    if before is not None:
        refused = {"continuous": (), "ordinal": ("grade",), "binary": ("grade", "responder")}[before.scale]
        if facts.derive in refused:
            yield f"key 'from': {before.name!r} is {before.scale}; a {facts.derive} needs a continuous one"
        yield from _direction_of_grade(endpoint, before)
    yield from _reachable(endpoint, facts, before)
    if facts.level == "lesion" and not protocol.has_lesions:
        yield f"key 'level': {_NO_LESIONS}"


def _direction_of_grade(endpoint: Endpoint, before: EndpointFacts) -> Iterator[str]:
    instrument = find_instrument(endpoint.instrument)
    if instrument is None or instrument.higher_is_better is None or endpoint.cutpoints is None:
        return
    if instrument.higher_is_better != before.higher_is_better:
        better = {True: "higher is better", False: "lower is better"}
        yield (
            f"key 'instrument': of {instrument.name!r} {better[instrument.higher_is_better]}, but of "
            f"{before.name!r} {better[before.higher_is_better]}"
        )


def _reachable(endpoint: Endpoint, facts: EndpointFacts, before: EndpointFacts | None) -> Iterator[str]:
    """Thresholds and cutpoints that no value can pass are slips of the pen, such as 0.75 for 75 %."""
    low, high = (
        (before.minimum, before.maximum)
        if before is not None
        else (facts.measured.minimum, facts.measured.maximum)
    )
    limits = [("threshold", endpoint.threshold.value)] if endpoint.threshold is not None else []
    limits += [("cutpoints", cut) for cut in endpoint.cutpoints or ()]
    for key, limit in limits:
        if (low is not None and limit < low) or (high is not None and limit > high):
            span = f"{'−∞' if low is None else f'{low:g}'} to {'∞' if high is None else f'{high:g}'}"
            yield f"key {key!r}: {limit:g} is outside the range {span} of what it is applied to"


def _data(protocol: Protocol) -> Iterator[str]:
    data = protocol.data
    known = known_columns(protocol)
    for ours in data.columns:
        if ours not in known:
            yield f"[data.columns]: {unknown('key', ours, sorted(known))}"
    for theirs, count in Counter(data.columns.values()).items():
        if count > 1:
            ours = " and ".join(repr(name) for name, column in data.columns.items() if column == theirs)
            yield f"[data.columns]: {ours} are both read from {theirs!r}"
    for ours in ("value", "baseline"):
        if ours in data.columns and not data.is_long:
            yield f"[data.columns], key {ours!r}: it needs the key 'parameter' too, as in an ADaM BDS frame"
    if data.is_long and "value" not in data.columns:
        yield "[data.columns], key 'value': the column of values is needed beside 'parameter'"
    for endpoint in protocol.endpoints:
        if data.is_long and endpoint.baseline_column is not None:
            place = f"[[endpoints]], {endpoint.name!r}, key 'baseline_column'"
            yield f"{place}: where the data are long over parameters, [data.columns] baseline supplies it"
    if data.events_complete and data.events is None:
        yield "[data], key 'events_complete': there is no file of events; name it with the key 'events'"
    for name in data.sheets:
        if name not in ("patients", "lesions", "assessments", "events"):
            files = ("patients", "lesions", "assessments", "events")
            yield f"[data.sheets]: {unknown('key', name, files)}"
    for file, count in Counter((data.assessments, *data.alternatives)).items():
        if count > 1:
            yield f"[data], key 'alternatives': {file!r} stands there {count} times, 'assessments' counted in"
    for name, count in Counter(data.alternative_names).items():
        if count > 1 and len(set(data.alternatives)) == len(data.alternatives):
            yield f"[data], key 'alternatives': {count} files are called {name!r}; give each a name of its own"
    if data.assessments_where is not None:
        try:
            query_names(data.assessments_where)
        except QueryProblem as problem:
            yield f"[data], key 'assessments_where': {problem}"


def known_columns(protocol: Protocol) -> set[str]:
    """Return every column name that the protocol speaks of: what the column map may rename."""
    known = {name for names in CANONICAL_COLUMNS.values() for name in names}
    known |= {"parameter", "value", "baseline"}
    known |= {covariate.source_column for covariate in protocol.covariates}
    for endpoint in protocol.endpoints:
        known |= {*endpoint.columns, *([endpoint.baseline_column] if endpoint.baseline_column else [])}
    for analysis in protocol.analyses:
        if analysis.estimand is not None:
            known |= {event.flag for event in analysis.estimand.intercurrent_events}
    for population in protocol.populations:
        try:
            known |= query_names(population.where)
        except QueryProblem:
            continue  # said by _populations
    return known


def _analyses(protocol: Protocol, *, resolvable: bool) -> Iterator[str]:
    yield from _repeated("analyses", (analysis.name for analysis in protocol.analyses))
    primary = [analysis.name for analysis in protocol.analyses if analysis.role == "primary"]
    if len(primary) != 1:
        got = ", ".join(map(repr, primary)) if primary else "none"
        yield f"[[analyses]], key 'role': exactly one analysis is primary, not {got}"
    for analysis in protocol.analyses:
        for problem in _analysis(protocol, analysis, resolvable):
            yield f"[[analyses]], {analysis.name!r}, {problem}"


def _analysis(protocol: Protocol, analysis: Analysis, resolvable: bool) -> Iterator[str]:
    endpoints = {endpoint.name: endpoint for endpoint in protocol.endpoints}
    visits = {visit.name: visit for visit in protocol.visits}
    populations = ("all", *(population.name for population in protocol.populations))
    if analysis.endpoint not in endpoints:
        yield f"key 'endpoint': {unknown('endpoint', analysis.endpoint, endpoints)}"
    elif (
        resolvable and protocol.is_within_patient and protocol.endpoint(analysis.endpoint).level == "patient"
    ):
        yield (
            f"key 'endpoint': {analysis.endpoint!r} has one value a patient, but a patient has several arms "
            'here; only endpoints with level = "lesion" compare them'
        )
    if analysis.visit not in visits:
        yield f"key 'visit': {unknown('visit', analysis.visit, visits)}"
    elif visits[analysis.visit].baseline:
        yield f"key 'visit': {analysis.visit!r} is the visit before treatment"
    if analysis.population not in populations:
        yield f"key 'population': {unknown('population', analysis.population, populations)}"
    for first, second in analysis.comparisons or ():
        for label in (first, second):
            if label not in protocol.arms:
                yield f"key 'comparisons': {unknown('arm', label, protocol.arms)}"
        if first == second:
            yield f"key 'comparisons': {first!r} is compared with itself"
    if analysis.margin_source is not None and analysis.margin is None:
        yield "key 'margin_source': there is no margin"
