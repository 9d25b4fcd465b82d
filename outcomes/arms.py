"""Arms as sets of components: what is a combination, what are its parts, and what was not studied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

__all__ = ["Arms", "FactorialSquare", "FrozenMapping"]

Value = TypeVar("Value")


class FrozenMapping(Mapping[str, Value]):
    """An ordered mapping that cannot change: it hashes, pickles and compares like the dict it was made of."""

    __slots__ = ("_items",)

    def __init__(self, items: Mapping[str, Value]) -> None:
        self._items = dict(items)

    def __getitem__(self, key: str) -> Value:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __hash__(self) -> int:
        return hash(tuple(self._items.items()))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mapping) and dict(self._items) == dict(other)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._items!r})"


@dataclass(frozen=True, slots=True)
class FactorialSquare:
    """Four arms that make an interaction estimable: S, S + a, S + b, S + a + b.

    Attributes
    ----------
    components : tuple of str
        The pair (a, b), in the order of the protocol.
    background : str
        Label of the arm S that has neither a nor b (it need not be empty).
    first, second : str
        Labels of the arms S + a and S + b.
    combination : str
        Label of the arm S + a + b.
    """

    components: tuple[str, str]
    background: str
    first: str
    second: str
    combination: str


class Arms(FrozenMapping[frozenset[str]]):
    """The arms of a trial, in the protocol's order: label -> its components.

    Parameters
    ----------
    arms : mapping of str to iterable of str
        Label in the data -> names of the components that the arm receives.
    components : iterable of str, optional
        All component names in the protocol's order; by default the order of their first use in `arms`.

    Notes
    -----
    A combination is an arm with two components or more. Its *parts* are the arms with exactly one component
    fewer. The empty arm (control) is nobody's part, so a one-component arm has no parts.

    Examples
    --------
    >>> arms = Arms({"Laser": ["laser"], "PRP": ["prp"], "Both": ["laser", "prp"]})
    >>> arms.parts("Both")
    ('Laser', 'PRP')
    """

    __slots__ = ("_components",)

    def __init__(self, arms: Mapping[str, Iterable[str]], components: Iterable[str] = ()) -> None:
        ordered = {label: tuple(parts) for label, parts in arms.items()}
        super().__init__({label: frozenset(parts) for label, parts in ordered.items()})
        used = dict.fromkeys(name for parts in ordered.values() for name in parts)
        declared = [name for name in components if name in used]
        self._components = tuple(dict.fromkeys([*declared, *used]))

    @property
    def components(self) -> tuple[str, ...]:
        """Names of the components that some arm receives, in the protocol's order."""
        return self._components

    @property
    def control(self) -> str | None:
        """Label of the arm without any component, or None where there is none."""
        return self.label_of(frozenset())

    @property
    def combinations(self) -> tuple[str, ...]:
        """Labels of the arms with two components or more."""
        return tuple(label for label, parts in self.items() if len(parts) >= 2)

    def label_of(self, components: Iterable[str]) -> str | None:
        """Return the label of the arm with exactly these components, or None where it was not studied."""
        wanted = frozenset(components)
        return next((label for label, parts in self.items() if parts == wanted), None)

    def ordered_components(self, label: str) -> tuple[str, ...]:
        """Return the components of one arm in the protocol's order."""
        return tuple(name for name in self._components if name in self[label])

    def parts(self, label: str) -> tuple[str, ...]:
        """Return the labels of the arms with exactly one component fewer; the empty arm is not a part."""
        whole = self[label]
        return tuple(
            other for other, parts in self.items() if parts and parts < whole and len(whole - parts) == 1
        )

    def missing_parts(self, label: str) -> tuple[str, ...]:
        """Return the components of a combination whose contribution cannot be assessed.

        The contribution of a component is the combination against the arm without it; where that arm was
        not studied, nothing in the trial speaks of it. An arm with fewer than two components has none.
        """
        whole = self[label]
        if len(whole) < 2:
            return ()
        return tuple(name for name in self.ordered_components(label) if self.label_of(whole - {name}) is None)

    def squares_for(self, label: str) -> tuple[FactorialSquare, ...]:
        """Return every `FactorialSquare` whose full arm is `label`, in the order of the components."""
        whole = self[label]
        found = []
        for a, b in combinations(self.ordered_components(label), 2):
            labels = [self.label_of(whole - {a, b}), self.label_of(whole - {b}), self.label_of(whole - {a})]
            if None not in labels:
                background, first, second = (str(name) for name in labels)
                found.append(FactorialSquare((a, b), background, first, second, label))
        return tuple(found)

    def background_for(self, label: str) -> FactorialSquare | None:
        """Return the arms S, S + a, S + b, S + a + b that make the interaction in `label` estimable.

        The first pair of components that has all four arms, or None where no pair has: then the interaction
        is not estimable without an arm that received neither. `squares_for` returns all of them.
        """
        return next(iter(self.squares_for(label)), None)
