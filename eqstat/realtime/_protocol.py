"""The protocol of scorers: init, prepare on the host, score in JAX, content for artefacts."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import numpy as np

from eqstat._core.explain import Explained, explained
from eqstat.edge import Answer, Calibration, Status

BUCKETS = tuple(2**power for power in range(3, 13))
Inputs = dict[str, np.ndarray]


@explained
class Prepared(NamedTuple):
    """Input of any kind, brought into arrays on the host.

    Attributes
    ----------
    inputs
        Arrays whose first axis are the rows; empty where nothing can be scored.
    size
        Number of rows.
    single
        Whether one row was given as plain numbers.
    status
        Status of the data set; of rows, each has its own in the answer.

    Examples
    --------
    >>> Prepared({}, 0, False, Status.TOO_FEW).status.name
    'TOO_FEW'
    """

    inputs: Inputs
    size: int
    single: bool
    status: Status


class Scorer(Explained, eqx.Module):
    """Base of the scorers: parameters as a pytree, a pure `score`, and what artefacts need.

    Attributes
    ----------
    calibration
        Measured error rates, or None.

    Examples
    --------
    >>> from eqstat.counts.coincidence import Sensors
    >>> from eqstat.realtime import CoincidenceScorer
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> scorer = CoincidenceScorer.init(sensors, frame_s=2.0)
    >>> scorer.kind, scorer.by_row
    ('coincidence', True)
    """

    calibration: Calibration | None = eqx.field(static=True, default=None, kw_only=True)
    kind: ClassVar[str]
    # Whether each row has an answer of its own, or all rows together have one.
    by_row: ClassVar[bool] = True
    # Whether the arithmetic is in double precision.
    is_double: ClassVar[bool] = False
    units: ClassVar[dict[str, str]] = {}

    @abc.abstractmethod
    def prepare(self, *args: Any, **columns: Any) -> Prepared:
        """Bring anything into arrays, on the host; never raises on data."""

    @abc.abstractmethod
    def score(self, inputs: dict[str, Any]) -> Answer:
        """Score padded arrays; pure JAX with fixed shapes."""

    @abc.abstractmethod
    def shapes(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes and types of the inputs of a bucket."""

    @abc.abstractmethod
    def content(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Arrays and settings for an artefact."""

    @classmethod
    @abc.abstractmethod
    def from_content(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        calibration: Calibration | None,
    ) -> Scorer:
        """Make the scorer of an artefact."""

    @abc.abstractmethod
    def cases(self) -> list[dict[str, np.ndarray]]:
        """Inputs of test vectors, good ones and bad ones."""

    def blank(self, status: Status) -> Answer:
        """Answer of a data set that cannot be scored."""
        return Answer(status=int(status))


class TableScorer(Scorer):
    """A scorer whose model is a dictionary of arrays.

    Attributes
    ----------
    model
        Arrays by name.

    Examples
    --------
    See `Scorer`.
    """

    model: dict[str, Any]

    def content(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The model's arrays."""
        return {name: np.asarray(value) for name, value in self.model.items()}, {}

    @classmethod
    def from_content(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        calibration: Calibration | None,
    ) -> TableScorer:
        """Make the scorer of an artefact."""
        return cls(dict(arrays), calibration=calibration)


def pad(inputs: Inputs, shapes: dict[str, jax.ShapeDtypeStruct]) -> Inputs:
    """Pad the rows to a bucket; data sets carry a mask."""
    made = {}
    for name, like in shapes.items():
        value = inputs[name]
        array = np.zeros(like.shape, like.dtype)
        if like.shape:
            array[: len(value)] = value
        else:
            array[...] = value
        made[name] = array
    return made


def in_jax(model: dict[str, Any]) -> dict[str, jax.Array]:
    """Arrays of a model as JAX indexes them."""
    return {name: jax.numpy.asarray(value) for name, value in model.items()}


def rows_like(columns: Inputs, single: bool) -> Prepared:
    """Prepared rows, each of which will have a status of its own."""
    size = len(next(iter(columns.values())))
    return Prepared(columns, size, single, Status.OK)


def structs(size: int, dtype: Any, **widths: tuple[int, ...]) -> dict[str, jax.ShapeDtypeStruct]:
    """Shapes of columns with `size` rows."""
    return {name: jax.ShapeDtypeStruct((size, *w), dtype) for name, w in widths.items()}
