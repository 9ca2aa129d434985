"""A network of devices in cells, and the circles in which a rule counts its triggers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.sparse import csc_array, csr_array
from scipy.spatial import KDTree

from eqstat import schema
from eqstat._core.checks import check_kind, check_range, check_whole
from eqstat._core.constants import EARTH_RADIUS_KM
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike

# From numbers of active devices and local hours, in shapes that broadcast, to the number of
# triggers that is a detection.
if TYPE_CHECKING:
    Needed = Callable[[np.ndarray, np.ndarray], np.ndarray]
else:
    Needed = Any

# Candidates for the circle of a detection lie this share of the radius apart.
CENTRES_APART = 0.1
# Devices within this share of the radius have about the same circle, and those of so many cells.
NEAR, NEAR_CELLS = 0.4, 8
# Cells of a circle, and circles, whose pairs of devices serve for the mean correlation.
MOST_PAIRS = 100
MOST_CIRCLES = 300


@dataclass(frozen=True)
class Rule(Explained):
    """Rule of a network: enough triggers within a radius and a time window are a detection.

    Attributes
    ----------
    needed
        Function of the active devices within the radius and the local hour (arrays) that returns
        the number of triggers that is needed, such as `eqstat.simulation.ratio_rule` and
        `count_rule` return; or one number.
    window_s, radius_km
        Window and radius in which triggers are counted, above 0. The defaults are those of Massoda
        Tchoussi and Finazzi (2023).

    Examples
    --------
    >>> Rule(8).required(np.array([100.0, 5.0]), np.array(3.0)).tolist()
    [8.0, 8.0]
    """

    needed: Needed | int
    window_s: float | int = 10.0
    radius_km: float | int = 30.0

    def __post_init__(self) -> None:
        """Raise an error for parameters out of range."""
        check_range("Rule", 0, 3600, ends="(]", window_s=self.window_s)
        check_range("Rule", 0, 1000, ends="(]", radius_km=self.radius_km)
        if not callable(self.needed):
            check_whole("Rule", 1, needed=self.needed)

    def required(self, active: np.ndarray, hour: np.ndarray) -> np.ndarray:
        """Return the needed triggers, of the broadcast shape of active devices and hours."""
        shape = np.broadcast_shapes(np.shape(active), np.shape(hour))
        if not callable(self.needed):
            return np.full(shape, float(self.needed))
        try:
            result = np.asarray(self.needed(np.rint(active).astype(int), hour), np.float64)
            result = np.broadcast_to(result, shape)
        except (TypeError, ValueError) as error:
            raise InputError(
                "Rule: needed must take arrays of active devices and hours and return numbers of "
                f"their shape ({error})"
            ) from error
        check_range("Rule", 1, needed=result)
        return result


def poisson_rule(
    rate_per_device: float | int,
    *,
    false_alarm_probability: float | int = 1e-7,
    minimum: int = 8,
) -> Needed:
    r"""Needed triggers beyond what a Poisson background explains.

    .. math:: k(n) = \max[k_{\min}, \min\{k: P(\text{Poisson}(r n) \ge k) \le \beta\}]

    With r = 0.016 and beta = 1e-7 it follows the smallest numbers of triggers among the detections
    of a phone network with up to about 500 active devices (Bossu et al., 2022), from which it was
    inferred. Counts of large networks are over-dispersed: for these, and for a budget of false
    alarms, take thresholds of `eqstat.counts.alarm.threshold`.

    Parameters
    ----------
    rate_per_device
        r: background triggers per active device and window, above 0.
    false_alarm_probability
        $\beta$, in (0, 1), of one window.
    minimum
        $k_{\min}$, at least 1.

    Returns
    -------
    callable
        For `Rule`.

    Examples
    --------
    >>> poisson_rule(0.016)(np.array([45, 344, 3506]), np.array(12.0)).tolist()
    [9.0, 22.0, 100.0]
    """
    check_range("poisson_rule", 0, ends="()", rate_per_device=rate_per_device)
    check_range("poisson_rule", 0, 1, ends="()", false_alarm_probability=false_alarm_probability)
    check_whole("poisson_rule", 1, minimum=minimum)

    def needed(active: ArrayLike, hour: ArrayLike) -> np.ndarray:
        mean = rate_per_device * np.asarray(active, np.float64)
        return np.maximum(stats.poisson.isf(false_alarm_probability, mean) + 1, float(minimum))

    return needed


@dataclass(frozen=True)
class DeviceNetwork(Explained):
    """Devices gathered in cells.

    Attributes
    ----------
    position
        Unit vectors of the cells, (cells, 3).
    devices
        Number of devices in each cell, (cells,).
    left_out
        Rows of the table that were left out, with a `reason`.
    notes
        What a user should know.

    Examples
    --------
    >>> table = pd.DataFrame({"latitude": [1.0, 1.0, 2.0], "longitude": [5.0, 5.0, 5.0]})
    >>> network = prepare(table)
    >>> network.devices.tolist(), len(network)
    ([2.0, 1.0], 3)
    """

    position: np.ndarray
    devices: np.ndarray
    left_out: pd.DataFrame = field(default_factory=lambda: pd.DataFrame({"reason": []}))
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return int(self.devices.sum())


@dataclass(frozen=True)
class Circles:
    """Circles about candidates of the detecting device.

    Attributes
    ----------
    position
        Unit vectors of the centres, (circles, 3).
    listed
        Devices within each circle, (circles,).
    members
        Devices of each cell in each circle, (cells, circles), sparse by columns.
    near
        Devices of each cell near the centre, whose circles are about the same, as `members`.
    neighbour_correlation
        Mean of exp(-3 d / range) over pairs of devices within a circle, for each range, (ranges,).
    """

    position: np.ndarray
    listed: np.ndarray
    members: csr_array | csc_array
    near: csr_array | csc_array
    neighbour_correlation: np.ndarray

    def within(self, cells: np.ndarray, circle: np.ndarray) -> Circles:
        """Return some of the circles, over some of the cells."""
        members, near = (x.tocsc()[:, circle].tocsr()[cells] for x in (self.members, self.near))
        return replace(
            self,
            position=self.position[circle],
            listed=self.listed[circle],
            members=members.tocsc(),
            near=near.tocsc(),
        )

    def overlap(self, circle: np.ndarray, weight: np.ndarray, total: np.ndarray) -> np.ndarray:
        """Weight that a circle of each place has in common with all, a share, (places, circles).

        `weight` is that of a device in each cell, (places, cells), and `total` the sum over each
        circle, (places, circles). The share is of the geometric mean of both sums: with the
        probabilities of triggers as weights, about the correlation of their numbers.
        """
        columns = self.members.tocsc()
        own = columns[:, circle]
        place = np.repeat(np.arange(len(circle)), np.diff(own.indptr))
        entries = weight[place, own.indices]
        common = csr_array((entries, own.indices, own.indptr), (len(circle), weight.shape[1]))
        mine = np.take_along_axis(total, circle[:, None], axis=1)
        product: Any = common @ self.members
        shared = product.toarray()
        shared /= np.sqrt(np.maximum(mine, 1e-15)) * np.sqrt(np.maximum(total, 1e-15))
        return np.minimum(shared, 1.0, out=shared)


def prepare(
    network: pd.DataFrame, *, devices: str | None = None, cell_km: float | int = 2.0
) -> DeviceNetwork:
    """Gather the devices of a network in cells.

    Parameters
    ----------
    network
        Table of the network contract: `latitude`, `longitude`. Times of activity are not used.
    devices
        Column with the number of devices at each place (a town, a cell of a census), which need
        not be whole: expected numbers are. By default each row is one device.
    cell_km
        Size of the cells, km, above 0; distances are uncertain by about half of it.

    Returns
    -------
    DeviceNetwork

    Raises
    ------
    eqstat.InputError
        When the table violates its contract, or holds no device.

    Examples
    --------
    >>> town = pd.DataFrame({"latitude": [-12.0], "longitude": [-77.0], "phones": [400]})
    >>> len(prepare(town, devices="phones"))
    400
    """
    check_range("prepare", 0, 100, ends="(]", cell_km=cell_km)
    check_kind("prepare", pd.DataFrame, "use a pandas DataFrame of devices", network=network)
    number = np.ones(len(network))
    if devices is not None:
        number = numbers_of(network, devices)
        network = network.drop(columns=devices)
    checked = schema.check_network(network)
    keep = number > 0
    notes = tuple(checked.attrs.get("notes", ()))
    left_out = checked[~keep].assign(reason="no devices at this place")
    if not keep.any():
        raise InputError("network: holds no device")
    latitude, longitude = (
        checked[name].to_numpy(np.float64)[keep] for name in ("latitude", "longitude")
    )
    number = number[keep]
    cell = cell_numbers(latitude, longitude, float(cell_km))
    weight = np.bincount(cell, number)
    points = unit_vectors(latitude, longitude)
    mean = np.stack([np.bincount(cell, number * axis) for axis in points.T], axis=-1)
    mean /= np.linalg.norm(mean, axis=1, keepdims=True)
    return DeviceNetwork(mean, weight, left_out, notes)


def numbers_of(table: pd.DataFrame, column: str, name: str = "network") -> np.ndarray:
    """Numbers of devices, or of people, in a column of a table."""
    if column not in table:
        names = ", ".join(str(each) for each in table.columns)
        raise InputError(f"{name}: has no column {column!r} of numbers; its columns are {names}")
    number = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
    bad = ~(number >= 0) | ~np.isfinite(number)
    if bad.any():
        rows = ", ".join(str(index) for index in table.index[bad][:5])
        raise InputError(
            f"{name}: column {column!r} must hold numbers of at least 0; rows {rows} do not"
        )
    return number


def cell_numbers(latitude: np.ndarray, longitude: np.ndarray, cell_km: float) -> np.ndarray:
    """Number of each place's cell: rows of latitude, in each of which cells are equally wide."""
    step = np.rad2deg(cell_km / EARTH_RADIUS_KM)
    row = np.round(latitude / step)
    column = np.round(longitude * np.cos(np.deg2rad(row * step)) / step)
    return np.unique(np.stack([row, column]), axis=1, return_inverse=True)[1].ravel()


def unit_vectors(latitude: ArrayLike, longitude: ArrayLike) -> np.ndarray:
    """Unit vectors of places in degrees, (places, 3)."""
    lat, lon = np.deg2rad(np.asarray(latitude)), np.deg2rad(np.asarray(longitude))
    parts = (np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat))
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def chord(distance_km: float | int) -> float:
    """Chord of the unit sphere of a great-circle distance."""
    return 2 * float(np.sin(min(distance_km / (2 * EARTH_RADIUS_KM), np.pi / 2)))


def arc_km(chord_of: np.ndarray) -> np.ndarray:
    """Great-circle distance of a chord of the unit sphere, km."""
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.clip(chord_of / 2, 0, 1))


def arc_between(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Great-circle distances of all pairs of unit vectors, km, (of a, of b); good to a metre."""
    return arc_km(np.sqrt(np.maximum(2 - 2 * (a @ b.T), 0.0)))


def circles(network: DeviceNetwork, radius_km: float | int, correlation_km: np.ndarray) -> Circles:
    """Circles of the radius about places where devices are, a tenth of the radius apart.

    `correlation_km` holds ranges of the residuals' correlation, (ranges,).
    """
    order = np.argsort(-network.devices, kind="stable")
    tree = KDTree(network.position)
    near = tree.query_ball_point(network.position, chord(CENTRES_APART * radius_km))
    # Largest cells first; cells near a chosen one are not chosen.
    free, chosen = np.ones(len(order), bool), []
    for cell in order:
        if free[cell]:
            chosen.append(cell)
            free[near[cell]] = False
    centres = network.position[chosen]
    members = _members(tree, network, centres, np.full(len(centres), chord(radius_km)))
    # Near are some devices at least, also where they are sparse.
    nearest, _ = tree.query(centres, k=min(NEAR_CELLS, len(network.position)))
    nearest = np.asarray(nearest).reshape(len(centres), -1)[:, -1]
    near = np.clip(nearest * (1 + 1e-9), chord(NEAR * radius_km), chord(radius_km))
    return Circles(
        centres,
        np.asarray(members.sum(axis=0), np.float64).ravel(),
        members,
        _members(tree, network, centres, near),
        _neighbours(network, members, correlation_km),
    )


def _members(
    tree: KDTree, network: DeviceNetwork, centres: np.ndarray, radius: np.ndarray
) -> csr_array:
    """Devices of each cell within a chord of each centre, (cells, circles)."""
    within = tree.query_ball_point(centres, radius)
    column = np.repeat(np.arange(len(centres)), [len(cells) for cells in within])
    cells = np.concatenate([np.asarray(cells, int) for cells in within])
    shape = (len(network.devices), len(centres))
    return csr_array((network.devices[cells].astype(np.float32), (cells, column)), shape=shape)


def _neighbours(
    network: DeviceNetwork, members: csr_array | csc_array, correlation_km: np.ndarray
) -> np.ndarray:
    """Mean correlation of pairs of different devices, over circles in proportion to devices."""
    ranges, back = np.unique(correlation_km, return_inverse=True)
    total, weight, columns = np.zeros(len(ranges)), 0.0, members.tocsc()
    step = -(-(len(columns.indptr) - 1) // MOST_CIRCLES)
    for start, end in zip(columns.indptr[:-1:step], columns.indptr[1::step], strict=True):
        some = columns.indices[start:end][:: -(-(end - start) // MOST_PAIRS)]
        number, place = network.devices[some], network.position[some]
        apart = arc_km(np.linalg.norm(place[:, None] - place, axis=-1))
        pairs = np.outer(number, number) - np.diag(number)
        if pairs.sum() > 0:
            devices = columns.data[start:end].sum()
            mean = [np.sum(pairs * np.exp(-3.0 * apart / one)) / pairs.sum() for one in ranges]
            total, weight = total + devices * np.array(mean), weight + devices
    return (total / weight if weight else total)[back]
