r"""Up to how many active devices a count keeps its budget, for all counts at once.

The expected alarm rate $\bar\nu(k, n)$ of a row (a region at an hour) is the average over draws,
days and the hour. It rises with the active devices n and falls with the count k, so that one number
for each count, the largest n with $\bar\nu(k, n) \le b$, gives the threshold for all numbers of
devices. Thresholds and scores read the same numbers.

Rates are evaluated on a fixed net of devices and interpolated in log n.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from eqstat.counts._special import cubic_weights
from eqstat.counts.alarm._rate_table import LEAST_LOG, RATE_STEP, RateTable

# Every number of devices up to `EXACT`, then steps of a twentieth of the log, rounded to whole
# numbers (a burst takes whole devices), to beyond a million.
EXACT = 50
NODES = np.unique(
    np.round(np.append(np.arange(1.0, EXACT), EXACT * np.exp(0.05 * np.arange(0, 205))))
)
ROWS_AT_ONCE = 64
# Probabilities, not their logs, are interpolated over the log rate: on nodes so much finer.
FINER = 20
FINE = RATE_STEP / FINER
# Rates at two neighbouring nodes on each side determine the interpolation.
STENCIL = 4
HALVINGS = 50

TableAt = Callable[[int, int], RateTable]


def nodes_around(least: float | np.floating, most: float | np.floating) -> range:
    """Indices of the nodes that numbers of devices in a range need."""
    low, high = bracket(np.array([least, most]))[0].tolist()
    return range(max(low - 1, 0), min(high + 3, len(NODES)))


def bracket(active: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower node of each number of devices, and the weight of the upper one."""
    low = np.clip(np.searchsorted(NODES, active, side="right") - 1, 0, len(NODES) - 2)
    log_low, log_high = np.log(NODES[low]), np.log(NODES[low + 1])
    return low, np.clip((np.log(active) - log_low) / (log_high - log_low), 0.0, 1.0)


def device_limits(
    table_at: TableAt,
    nodes: range,
    log_rates: Sequence[np.ndarray],
    group: np.ndarray,
    log_goal: np.ndarray,
    top: int,
    longest: int,
) -> np.ndarray:
    """Largest number of active devices at which each count keeps the budget.

    Parameters
    ----------
    table_at
        Function of the number of a node and a count: the table of the node up to that count.
    nodes
        Indices of the nodes; outside of their range limits are 0 or infinite.
    log_rates
        Arrays of the log rate per device and hour, (rows, draws, times) each.
    group
        Shape of each draw, (draws,).
    log_goal
        Log of the budget of the rows of all arrays per hour, (rows,).
    top, longest
        Length of the tables, which is doubled up to `longest` where no count keeps the budget.

    Returns
    -------
    numpy.ndarray
        Of 1, 2, ... triggers, (rows, triggers), float32; a count above the devices never happens,
        so that the limit of k is at least just below k.
    """
    starts = np.cumsum([0, *(len(own) for own in log_rates)])
    blocks = [
        _Block(start + rows, own[rows], group, log_goal[start + rows])
        for start, own in zip(starts[:-1], log_rates, strict=True)
        for rows in _alike(own)
    ]
    devices = NODES[nodes[-1]]
    while True:
        table = table_at(nodes[-1], top)
        kept = [block.keeps(table) for block in blocks]
        if all(kept) or top >= min(longest, devices + 1):
            break
        top = int(min(2 * top, longest))
    for block in blocks:
        block.start(top)
    for node in reversed(nodes):
        wanted = max(block.window(NODES[node])[1] for block in blocks)
        table = table_at(node, wanted)
        for block in blocks:
            block.add(NODES[node], table)
    limits = np.empty((starts[-1], top))
    for block in blocks:
        limits[block.rows] = block.limits()
    never = np.nextafter(np.arange(1, top + 1, dtype=np.float32), np.float32(0))
    return np.maximum.accumulate(np.maximum(limits.astype(np.float32), never), axis=1)


def _alike(log_rates: np.ndarray) -> list[np.ndarray]:
    """Split rows into blocks of similar rates."""
    order = np.argsort(log_rates.mean(axis=(1, 2)), kind="stable")
    return np.array_split(order, -(-len(order) // ROWS_AT_ONCE))


def smallest_count(limits: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Smallest count that keeps the budget, or one more than there are, (rows,)."""
    return np.sum(limits < active.astype(np.float32)[:, None], axis=1) + 1


class _Block:
    """Rows of similar rates."""

    def __init__(
        self, rows: np.ndarray, log_rates: np.ndarray, group: np.ndarray, log_goal: np.ndarray
    ) -> None:
        self.rows, self.log_goal = rows, log_goal[:, None]
        self.first, self.weights = _weights(log_rates, group)

    def keeps(self, table: RateTable) -> bool:
        """Whether the last count of a table keeps the budget in all rows."""
        last = table.values.shape[-1]
        return bool(np.all(self.rates(table, last, last) <= self.log_goal))

    def start(self, top: int) -> None:
        """Prepare for the nodes, from the largest down."""
        self.top, self.needed = top, (1, top)
        self.recent: deque[tuple[float, np.ndarray]] = deque(maxlen=STENCIL)
        self.crossings = np.full((len(self.rows), top), np.inf)

    def window(self, devices: float) -> tuple[int, int]:
        """First and last count that may lie at the budget at this node or at its neighbours."""
        low, high = self.needed
        margin = int(np.ceil(0.2 * high)) + 4
        last = int(min(high + margin, self.top))
        if devices <= 1.5 * EXACT:
            return 1, int(min(max(last, devices + 1), self.top))
        return max(low - margin, 1), last

    def rates(self, table: RateTable, first: int, last: int) -> np.ndarray:
        """Log rates per hour at the counts from first to last, (rows, counts)."""
        nodes, band = table.values.shape[2], self.weights.shape[2]
        at = round((self.first * FINE - table.log_rate) / FINE) + np.arange(band)
        j = np.clip(at // FINER, 1, nodes - 3)
        begin, end = j[0] - 1, j[-1] + 3
        between = np.zeros((band, end - begin))
        for offset, weight in zip((-1, 0, 1, 2), cubic_weights(at / FINER - j), strict=True):
            between[np.arange(band), j + offset - begin] = weight
        values = np.maximum(table.values[:, 0, begin:end, first - 1 : last], LEAST_LOG)
        rates = np.exp(np.maximum(between @ values, LEAST_LOG))
        size = rates.shape[-1]
        mean = self.weights.reshape(len(self.rows), -1) @ rates.reshape(-1, size)
        return np.log(np.maximum(mean, np.exp(LEAST_LOG)))

    def add(self, devices: float, table: RateTable) -> None:
        """Take the next smaller node."""
        first, last = self.window(devices)
        last = min(last, table.values.shape[-1])
        rates = self.rates(table, first, last)
        if first > 1 and np.any(rates[:, 0] <= self.log_goal[:, 0]):
            first, rates = 1, self.rates(table, 1, last)
        # Beyond the window rates are known to lie on one side of the budget.
        row = np.full((len(self.rows), self.top), np.inf)
        row[:, first - 1 : last] = rates
        row[:, last:] = np.where(rates[:, -1:] > self.log_goal, np.inf, -np.inf)
        needed = np.sum(row > self.log_goal, axis=1) + 1
        self.needed = int(needed.min()), int(needed.max())
        self.recent.appendleft((devices, row))
        if len(self.recent) >= STENCIL - 1:
            self._cross(1)

    def _cross(self, lower: int) -> None:
        """Note the counts whose rate passes the budget between two nodes."""
        (low, left), (high, right) = self.recent[lower], self.recent[lower + 1]
        rows, counts = np.nonzero((left <= self.log_goal) & (right > self.log_goal))
        if not len(rows):
            return
        x = np.log([devices for devices, _ in self.recent])
        y = np.stack([row[rows, counts] for _, row in self.recent], axis=-1)
        root = _root(x, y, self.log_goal[rows, 0], lower, cubic=bool(low >= EXACT))
        self.crossings[rows, counts] = np.clip(np.exp(root), low, np.nextafter(high, 0))

    def limits(self) -> np.ndarray:
        """Limits of all counts, after the last node."""
        self._cross(0)
        _, lowest = self.recent[0]
        return np.where(lowest > self.log_goal, 0.0, self.crossings)


def _weights(log_rates: np.ndarray, group: np.ndarray) -> tuple[int, np.ndarray]:
    """First fine node, and weights of (rows, shapes, fine nodes) that average over draws."""
    rows, draws, times = log_rates.shape
    first = int(np.floor(log_rates.min() / FINE)) - 1
    band = int(np.floor(log_rates.max() / FINE)) + 3 - first
    position = log_rates / FINE - first
    j = np.floor(position).astype(int)
    shapes = int(group.max()) + 1
    start = (np.arange(rows)[:, None] * shapes + group)[..., None] * band + j
    weights = np.zeros(rows * shapes * band)
    for offset, weight in zip((-1, 0, 1, 2), cubic_weights(position - j), strict=True):
        weights += np.bincount((start + offset).ravel(), weight.ravel(), weights.size)
    return first, weights.reshape(rows, shapes, band) / (draws * times)


def _root(x: np.ndarray, y: np.ndarray, goal: np.ndarray, lower: int, *, cubic: bool) -> np.ndarray:
    """Where interpolated values reach a goal between nodes `lower` and `lower` + 1, (entries,).

    Linear where a node for a cubic is missing; the lower node where even that is impossible.
    """
    left, right = y[:, lower], y[:, lower + 1]
    known = np.isfinite(left) & np.isfinite(right)
    part = (goal - np.where(known, left, 0.0)) / np.where(known, right - left, 1.0)
    linear = x[lower] + np.where(known, part, 0.0) * (x[lower + 1] - x[lower])
    whole = np.all(np.isfinite(y), axis=1) & cubic & (len(x) == STENCIL)
    if not whole.any():
        return linear
    # The cubic in powers of x - x[lower], by divided differences.
    cubic_terms = _powers(x - x[lower], y[whole] - goal[whole, None])
    width = x[lower + 1] - x[lower]
    low, high = np.zeros(len(cubic_terms)), np.full(len(cubic_terms), width)
    first, second, third, fourth = cubic_terms.T
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        keeps = first + middle * (second + middle * (third + middle * fourth)) <= 0
        low, high = np.where(keeps, middle, low), np.where(keeps, high, middle)
    linear[whole] = x[lower] + low
    return linear


def _powers(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coefficients of the polynomials through points (x, y) of each row, (entries, points)."""
    return np.linalg.solve(x[:, None] ** np.arange(len(x)), y.T).T
