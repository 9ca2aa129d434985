"""Scorers for small computers: one file that needs NumPy and the standard library only.

`load` reads an artefact that `eqstat.realtime.export` wrote, checks every byte of it, scores its
test vectors and returns a scorer. Scorers never raise on data: what cannot be scored gets a status.
Nothing of eqstat is imported, so that this file may also be copied beside a sensor.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import sys
import zipfile
from bisect import bisect_left, bisect_right
from enum import IntEnum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Answer", "Artefact", "ArtefactError", "Calibration", "Classification", "Coincidence", "Counts",
    "Detectability", "Exceedance", "FeatureStream", "Features", "Status", "Waveform",
    "disagreement", "load", "main", "read",
]  # fmt: skip
SCHEMA = 1
MOST_BYTES, MOST_MEMBERS = 2**28, 512
DTYPES = ("<f4", "<f8", "<i4", "|b1")
EARTH_RADIUS_KM = 6371.0
ANY_DAY = 7
MOST_ROWS = 4096
# Triggers farther from the median time come from a broken clock.
CLOCK_S = 3600.0
# Size of the mean acceleration from which it is taken for gravity, m/s2.
GRAVITY_M_S2 = 7.0, 12.5
# Samples nearer to the mean than this share of the largest are below it when signs are counted:
# ties, common in rounded samples, then do not depend on the order of a sum.
DEAD_BAND = 1e-5
MOST_RATIO = 1000.0


class Status(IntEnum):
    """What a status code means.

    Attributes
    ----------
    OK
        The answer is valid.
    BEYOND
        An input lies beyond a table, whose end was used.
    BAD_INPUT
        An input is no number, of a wrong shape, or cannot be; probabilities are NaN.
    PARTIAL
        Rows that cannot be, or are there twice, were left out.
    TOO_FEW
        Too little to score; probabilities are NaN.
    TOO_MANY
        More rows than the largest bucket; probabilities are NaN.
    CLOCK
        Time ran backwards or is no number: the state was kept.
    UNFAMILIAR
        The input is unlike the training data: the likelihood ratio was drawn towards 1.

    Examples
    --------
    >>> Status(2).name
    'BAD_INPUT'
    """

    OK = 0
    BEYOND = 1
    BAD_INPUT = 2
    PARTIAL = 3
    TOO_FEW = 4
    TOO_MANY = 5
    CLOCK = 6
    UNFAMILIAR = 7


class Answer(NamedTuple):
    """Answer of every scorer; NaN where a scorer has nothing to say.

    Attributes
    ----------
    false_alarm_probability
        Probability that the background alone gives this or more.
    false_alarm_rate_per_year
        Rate of false alarms of a rule that alarms at this or more.
    miss_probability
        Probability that the rule misses an earthquake.
    earthquake_probability
        Posterior probability of an earthquake.
    exceedance_probability
        Probability that the thresholds of shaking are exceeded.
    margin
        Distance from the decision, in the scorer's own unit; 0 or more is an alarm.
    status
        Of `Status`.

    Examples
    --------
    >>> Answer(margin=2.0).status
    0
    """

    false_alarm_probability: Any = math.nan
    false_alarm_rate_per_year: Any = math.nan
    miss_probability: Any = math.nan
    earthquake_probability: Any = math.nan
    exceedance_probability: Any = math.nan
    margin: Any = math.nan
    status: Any = 0


class Calibration(NamedTuple):
    """Measured error rates of a scorer, with intervals; they travel with its artefact.

    Attributes
    ----------
    false_alarms_per_year, miss_probability
        Estimate and ends of the interval, (3,) each; NaN where it was not measured.
    earthquakes
        Which earthquakes were to be detected, such as "M 5 within 50 km".
    data
        On which data it was measured.
    probability
        Content of the intervals.

    Examples
    --------
    >>> print(Calibration((0.8, 0.5, 1.2), (0.04, 0.02, 0.07), "M 5 within 50 km", "simulation"))
    false alarms 0.8 a year (0.5 to 1.2), misses 4 % (2 to 7) of M 5 within 50 km
    """

    false_alarms_per_year: tuple[float, float, float]
    miss_probability: tuple[float, float, float]
    earthquakes: str
    data: str
    probability: float = 0.9

    def __str__(self) -> str:
        alarms = "{:.2g} a year ({:.2g} to {:.2g})".format(*self.false_alarms_per_year)
        misses = "{:.2g} % ({:.2g} to {:.2g})".format(*(100 * x for x in self.miss_probability))
        return f"false alarms {alarms}, misses {misses} of {self.earthquakes}"


class ArtefactError(ValueError):
    """An artefact that cannot be used: one line that says why.

    Examples
    --------
    >>> try:
    ...     read(b"PK")
    ... except ArtefactError as error:
    ...     print(error)
    artefact: truncated or changed (its last 64 characters are not its SHA-256)
    """


class Artefact(NamedTuple):
    """Content of an artefact.

    Attributes
    ----------
    kind
        Which scorer it holds.
    settings, arrays
        Its parameters.
    card
        Model card: title, calibration, units, versions.
    cases
        Test vectors: inputs and expected answers.
    sha256
        Digest of the file, for services that pin what they run.

    Examples
    --------
    See `read`.
    """

    kind: str
    settings: dict[str, Any]
    arrays: dict[str, np.ndarray]
    card: dict[str, Any]
    cases: list[tuple[dict[str, np.ndarray], Answer]]
    sha256: str


def read(source: str | Path | bytes) -> Artefact:
    """Read and check an artefact; no array is made before its size is known to be in the file.

    Parameters
    ----------
    source
        Path, or the bytes of the file.

    Returns
    -------
    Artefact

    Raises
    ------
    ArtefactError
        When the file is truncated, changed, of another format or of a newer schema.

    Examples
    --------
    >>> read(b"")
    Traceback (most recent call last):
        ...
    eqstat.edge.ArtefactError: artefact: truncated or changed (its last 64 characters are not its...
    """
    name = "artefact" if isinstance(source, bytes) else Path(source).name
    try:
        if isinstance(source, bytes):
            data = source
        else:
            if Path(source).stat().st_size > MOST_BYTES:
                raise ArtefactError(f"larger than {MOST_BYTES >> 20} MiB")
            data = Path(source).read_bytes()
        return _parsed(data)
    except ArtefactError as error:
        raise ArtefactError(f"{name}: {error}") from None
    except OSError as error:
        raise ArtefactError(f"{name}: cannot be read ({error.strerror})") from None
    except Exception as error:  # noqa: BLE001 whatever is wrong with a file is one line
        raise ArtefactError(f"{name}: not a valid artefact ({type(error).__name__})") from None


def signed(data: bytes) -> bytes:
    """Append the SHA-256 of a file in 64 characters."""
    return data + hashlib.sha256(data).hexdigest().encode()


def _parsed(data: bytes) -> Artefact:
    digest = hashlib.sha256(data[:-64]).hexdigest()
    if len(data) < 64 or data[-64:] != digest.encode():
        raise ArtefactError("truncated or changed (its last 64 characters are not its SHA-256)")
    members: dict[str, bytes] = {}
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if len(infos) > MOST_MEMBERS or sum(i.file_size for i in infos) > len(data):
            raise ArtefactError("declares more content than the file holds")
        for info in infos:
            if info.compress_type != zipfile.ZIP_STORED or info.filename in members:
                raise ArtefactError(f"member {info.filename!r:.80} is compressed or there twice")
            members[info.filename] = archive.read(info)
    manifest = json.loads(members.pop("manifest.json"))
    if manifest.get("format") != "eqstat artefact":
        raise ArtefactError("its manifest is not that of an artefact of eqstat")
    schema = manifest["schema"]
    if type(schema) is not int or not 1 <= schema <= SCHEMA:
        raise ArtefactError(
            f"schema version {schema!r:.20} is not known (1 to {SCHEMA} are); update eqstat"
        )
    declared = manifest["arrays"]
    if set(declared) != {member.removesuffix(".npy") for member in members}:
        raise ArtefactError("its members are not those of the manifest")
    arrays = {name: _array(name, about, members[f"{name}.npy"]) for name, about in declared.items()}
    cases = []
    for case in manifest["cases"]:
        inputs = {key: arrays.pop(name) for key, name in case["inputs"].items()}
        expected = Answer(**{key: arrays.pop(name) for key, name in case["expected"].items()})
        cases.append((inputs, expected))
    card = dict(manifest["card"])
    return Artefact(str(manifest["kind"]), dict(manifest["settings"]), arrays, card, cases, digest)


def _array(name: str, about: dict[str, Any], member: bytes) -> np.ndarray:
    """One array, compared with what the manifest says of it before it is made."""
    stream = io.BytesIO(member)
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ArtefactError(f"array {name!r:.80} is not in version 1.0 of the npy format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.str not in DTYPES or fortran:
        raise ArtefactError(
            f"array {name!r:.80} is of type {dtype.str!r:.20}, which is not allowed"
        )
    begin, size = stream.tell(), math.prod(shape) * dtype.itemsize
    if list(shape) != about["shape"] or dtype.str != about["dtype"] or min(shape, default=0) < 0:
        raise ArtefactError(f"array {name!r:.80} is not as the manifest declares it")
    if size != len(member) - begin:
        raise ArtefactError(
            f"array {name!r:.80} declares {size} bytes, {len(member) - begin} follow"
        )
    if hashlib.sha256(member).hexdigest() != about["sha256"]:
        raise ArtefactError(f"array {name!r:.80} has another SHA-256 than the manifest says")
    return np.frombuffer(member, dtype, offset=begin).reshape(shape)


def numbers(value: Any) -> np.ndarray:
    """Return anything as float64, NaN where it is no number; never raises."""
    try:
        array = np.asarray(value)
        if array.dtype.kind in "biuf":
            with np.errstate(all="ignore"):
                return array.astype(np.float64)
        if isinstance(value, list | tuple) and array.ndim <= 1:
            plain = (int, float, bool, np.number)
            items = [float(x) if isinstance(x, plain) else math.nan for x in value]
            return np.array(items, np.float64)
        return np.full(array.shape, math.nan)
    except Exception:  # noqa: BLE001 whatever arrives is no number
        return np.array(math.nan)


def rows(**values: Any) -> tuple[dict[str, np.ndarray], bool]:
    """Return columns of equal length, in single precision, and whether all were single numbers.

    Columns that do not fit each other are NaN throughout.
    """
    columns = {
        name: value if type(value) is np.ndarray and value.dtype == np.float32 else numbers(value)
        for name, value in values.items()
    }
    sizes = {column.shape for column in columns.values() if column.ndim}
    shape = max(sizes, key=math.prod, default=(1,))
    with np.errstate(all="ignore"):
        if len(sizes) > 1 or len(shape) > 1:
            broken = np.full(max(math.prod(shape), 1), math.nan, np.float32)
            return dict.fromkeys(columns, broken), False
        single = {
            name: np.broadcast_to(np.asarray(column, np.float32), shape)
            for name, column in columns.items()
        }
    return single, not sizes


def matrix(value: Any, width: int) -> tuple[np.ndarray, bool]:
    """Return rows of `width` numbers, NaN where they do not fit, and whether it was one row."""
    array = numbers(value)
    single = array.ndim < 2
    array = np.atleast_2d(array)
    if array.ndim != 2 or (array.shape[1] != width and array.size):
        array = np.full((max(len(array), 1), width), math.nan)
    with np.errstate(all="ignore"):
        made = array.reshape(-1, width).astype(np.float32)
    return made, single and len(made) == 1


def answer_of(xp: Any, status: Any, **values: Any) -> Answer:
    """Make an answer of rows, NaN where the status forbids more."""
    none = (status == Status.BAD_INPUT) | (status == Status.TOO_FEW) | (status == Status.TOO_MANY)
    named = {name: xp.where(none, math.nan, value) for name, value in values.items()}
    return Answer(**named, status=xp.asarray(status, np.int32))


def first_of(answer: Answer) -> Answer:
    """Make plain numbers of an answer of one row."""
    plain = (float(np.ravel(value)[0]) for value in answer[:-1])
    return Answer(*plain, status=int(np.ravel(answer.status)[0]))


def erfc(x: Any, xp: Any = np) -> Any:
    """Complementary error function, within 1.5e-7 (Abramowitz and Stegun, 1964, eq. 7.1.26)."""
    t = 1 / (1 + 0.3275911 * xp.abs(x))
    series = 0.254829592 + t * (
        -0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))
    )
    upper = t * series * xp.exp(-xp.minimum(x * x, 700.0))
    return xp.where(x < 0, 2 - upper, upper)


def chi_square_tail(statistic: Any, freedom: Any) -> float:
    """Probability that chi-square with whole degrees of freedom exceeds a value."""
    half, freedom = float(statistic) / 2, int(freedom)
    if not half > 0:
        return 1.0 if half <= 0 else math.nan
    odd = freedom % 2
    tail = math.erfc(math.sqrt(half)) if odd else 0.0
    log_half = math.log(half)
    for number in range(freedom // 2):
        order = number + 0.5 * odd
        tail += math.exp(min(order * log_half - half - math.lgamma(order + 1), 0.0))
    return min(tail, 1.0)


def cartesian(
    centre: tuple[float, float], latitude: Any, longitude: Any, height_km: Any
) -> np.ndarray:
    """Position along east, north and up at a centre on the sphere, km, (..., 3)."""
    phi, turn = np.deg2rad(latitude), np.deg2rad(np.asarray(longitude) - centre[1])
    middle, height = math.radians(centre[0]), np.asarray(height_km, np.float64)
    # Differences by half angles, which keep their digits near the centre.
    lean = 2 * np.sin(turn / 2) ** 2 * np.cos(phi)
    east = np.cos(phi) * np.sin(turn)
    north = np.sin(phi - middle) + lean * math.sin(middle)
    up = -2 * np.sin((phi - middle) / 2) ** 2 - lean * math.cos(middle)
    surface = EARTH_RADIUS_KM * np.stack(np.broadcast_arrays(east, north, up), axis=-1)
    down = np.stack([np.zeros_like(height), np.zeros_like(height), height], axis=-1)
    return surface * (1 + height / EARTH_RADIUS_KM)[..., None] + down


class Counts:
    """Score counts of triggers against their background; see `eqstat.counts.alarm.score`.

    Examples
    --------
    See `load`.
    """

    def __init__(self, artefact: Artefact) -> None:
        arrays, settings = artefact.arrays, artefact.settings

        def flat(name: str) -> Any:  # memory views give plain numbers, faster than arrays do
            return np.ascontiguousarray(arrays[name], np.float32).reshape(-1).data

        self._shape = arrays["table"].shape
        self._regions, _, self._hours = arrays["log_rate"].shape
        self._counts = arrays["limits"].shape[3]
        self._table, self._log_rate, self._spread = map(flat, ("table", "log_rate", "spread"))
        self._limits = flat("limits")
        self._spreads, self._nodes = (arrays[n].tolist() for n in ("spreads", "log_devices"))
        self._first, self._least = float(arrays["first_log_rate"]), float(arrays["minimum"])
        self._between = bool(settings["between"])
        self._step = float(settings["rate_step"])
        sd2, level = float(arrays["slow.sd"]) ** 2, arrays["slow.level"].tolist()
        self._resting = [(-0.5 * sd2, sd2 + own) for own in level]
        self._largest = float(np.float32(np.exp(arrays["log_devices"][-1])))
        self._tail: list[float] | None = None
        if "tails" in arrays:
            self._tail = [*arrays["tails"][0].tolist(), math.log(float(arrays["slow.window_h"]))]

    def score(
        self, triggers: Any, active: Any, hour: Any, region: Any = 0, day: Any = ANY_DAY
    ) -> Answer:
        """Score one count, or rows of counts; arguments as of `eqstat.counts.alarm.score`."""
        one = (triggers, active, hour, region, day)
        if all(type(x) in (int, float) and -1e30 < x < 1e30 for x in one):
            # Numbers in single precision, as JAX takes them.
            chance, rate, margin, status = self._one(*(float(np.float32(x)) for x in one))
            return Answer(chance, rate, margin=margin, status=status)
        columns, single = rows(triggers=triggers, active=active, hour=hour, region=region, day=day)
        plain = zip(*(column.tolist() for column in columns.values()), strict=True)
        if single:
            chance, rate, margin, status = self._one(*next(plain))
            return Answer(chance, rate, margin=margin, status=status)
        out = np.array([self._one(*row) for row in plain], np.float64).reshape(-1, 4).T
        return Answer(out[0], out[1], margin=out[2], status=out[3].astype(np.int32))

    def _one(self, k: float, n: float, hour: float, region: float, day: float) -> tuple[Any, ...]:
        # Comparisons with NaN are false.
        nan = math.nan
        valid = 0 <= k <= n and 1 <= n < math.inf and 0 <= hour < 24 and k == math.floor(k)
        valid = valid and 0 <= region < self._regions and 0 <= day <= ANY_DAY
        if not (valid and region == math.floor(region) and day == math.floor(day)):
            return nan, nan, nan, int(Status.BAD_INPUT)
        spreads, devices, counts, rates, _ = self._shape
        place = int(region) * 8 + int(day)
        where = place * self._hours + int(hour * (self._hours // 24))
        shift, variance = self._resting[int(region)]
        log_rate, log_n = self._log_rate[where] + shift, math.log(n)
        level = _fraction(self._spreads, math.sqrt(self._spread[where] ** 2 + variance))
        last = devices - 1
        node = min(max(bisect_right(self._nodes, log_n) - 1, 0), last - 1)
        below, above = self._nodes[node], self._nodes[node + 1]
        upper = min(max((log_n - below) / (above - below), 0.0), 1.0)
        beyond = log_n > self._nodes[last] + 1e-4
        log_n, whole = min(log_n, self._nodes[last]), min(int(k), counts - 1)
        low = min(int(level), spreads - 2) if self._between else round(level)
        log_tail = log_year = 0.0
        table = self._table
        # Both neighbouring numbers of devices are read at the window's own mean count.
        for node_log, at, side in ((below, node, 1 - upper), (above, node + 1, upper)):
            position = (log_n - node_log + log_rate - self._first) / self._step
            beyond = beyond or position > rates - 2
            position = min(max(position, 1), rates - 2)
            j = min(max(int(position), 1), rates - 3)
            f = position - j
            cubic = (
                -f * (f - 1) * (f - 2) / 6,
                (f + 1) * (f - 1) * (f - 2) / 2,
                -(f + 1) * f * (f - 2) / 2,
                (f + 1) * f * (f - 1) / 6,
            )
            for step in range(1 + self._between):
                share = side * abs(level - low - (1 - step)) if self._between else side
                row = 2 * ((((low + step) * devices + at) * counts + whole) * rates + j - 1)
                for weight in cubic:
                    log_tail += share * weight * table[row]
                    log_year += share * weight * table[row + 1]
                    row += 2
        log_tail = min(log_tail, 0.0)
        if self._tail is not None:
            u, ratio, scale, shape, block, sliding, log_window = self._tail
            log_tail = min(_inflated(log_tail, u, ratio, scale, shape, block - log_window), 0.0)
            hours = math.log(8766.0)
            log_year = _inflated(log_year - hours, u, ratio, scale, shape, block - sliding) + hours
        row = (place * 24 + int(hour)) * self._counts
        least = bisect_left(self._limits, min(n, self._largest), row, row + self._counts) - row + 1
        margin = k - max(least, self._least)
        # Where no count of the table keeps the budget none is known to do so.
        margin = min(margin, -1.0) if least > self._counts else margin
        status = Status.BEYOND if beyond or k > counts - 1 else Status.OK
        rate = math.exp(min(log_year, 700.0))
        return math.exp(log_tail), rate, margin, int(status)


def _inflated(
    log_rate: float, level: float, ratio: float, scale: float, shape: float, shift: float
) -> float:
    """Inflate a log rate by a learned generalised Pareto tail."""
    e = -(log_rate + shift)
    if e < level:
        value = -e * (1 - max(ratio, 0.0) / level)
    else:
        far = (e - level) / scale
        fall = far if shape < 1e-4 else math.log1p(shape * far) / shape
        value = -(level - ratio) - fall
    return max(-e, value) - shift


def _fraction(nodes: list[float], value: float) -> float:
    """Fractional index of a value among increasing nodes."""
    upper = bisect_right(nodes, value)
    if upper in (0, len(nodes)):
        return float(min(upper, len(nodes) - 1))
    low, high = nodes[upper - 1], nodes[upper]
    return upper - 1 + (value - low) / (high - low)


def coincidence(xp: Any, model: dict[str, Any], given: Any, heard: Any) -> Answer:
    """Score rows of sensors that pre-warned, among those that were listening, (n, sensors)."""
    bad = ~xp.all(((given == 0) | (given == 1)) & ((heard == 0) | (heard == 1)), axis=1)
    listen = heard == 1
    on = (given == 1) & listen
    number = xp.sum(on, axis=1)
    evidence = xp.where(on, model["log_ratio_on"], xp.where(listen, model["log_miss"], 0.0))
    odds = xp.clip(model["log_prior_odds"] + xp.sum(evidence, axis=1), -80.0, 80.0)
    # The number of sensors that an earthquake sets off, as far as the rule counts.
    hit = xp.where(listen, model["hit_probability"], 0.0)
    mass = xp.concatenate([xp.ones_like(hit[:, :1]), 0.0 * hit], axis=1)
    for sensor in range(hit.shape[1]):
        moved = mass * hit[:, sensor : sensor + 1]
        mass = mass - moved + xp.concatenate([0.0 * moved[:, :1], moved[:, :-1]], axis=1)
    below = xp.arange(mass.shape[1]) < model["required"]
    status = xp.where(xp.any(listen, axis=1), Status.OK, Status.TOO_FEW)
    return answer_of(
        xp,
        xp.where(bad, Status.BAD_INPUT, status),
        false_alarm_probability=xp.exp(model["log_chance"][number]),
        false_alarm_rate_per_year=xp.exp(model["log_rate_per_year"][number]),
        miss_probability=xp.sum(xp.where(below, mass, 0.0), axis=1),
        earthquake_probability=1 / (1 + xp.exp(-odds)),
        margin=number - model["required"],
    )


def sensor_rows(width: int, pre_warned: Any, listening: Any = None) -> tuple[Any, Any, bool]:
    """Return both as rows of sensors that fit each other, and whether it is one row."""
    given, single = matrix(pre_warned, width)
    heard, _ = matrix(np.ones(width) if listening is None else listening, width)
    if len(heard) != len(given):
        heard = heard if len(heard) == 1 else np.full((1, width), math.nan, np.float32)
        heard = np.broadcast_to(heard, given.shape)
    return given, heard, single


class Coincidence:
    """Score which of a few sensors pre-warned; see `eqstat.counts.coincidence`.

    Examples
    --------
    See `load`.
    """

    def __init__(self, artefact: Artefact) -> None:
        self._model = {name: value.astype(np.float64) for name, value in artefact.arrays.items()}

    def score(self, pre_warned: Any, listening: Any = None) -> Answer:
        """Score one coincidence, (sensors,), or rows, (n, sensors); by default all listen."""
        width = len(self._model["log_miss"])
        given, heard, single = sensor_rows(width, pre_warned, listening)
        answer = coincidence(np, self._model, given.astype(float), heard.astype(float))
        return first_of(answer) if single else answer


def detectability(
    xp: Any, axes: tuple[str, ...], model: dict[str, Any], columns: dict[str, Any]
) -> Answer:
    """Interpolate a table over its axes, linearly on the normal scale."""
    bad = beyond = xp.zeros(columns[axes[0]].shape, bool)
    weight, index = [1.0], [0]
    for name in axes:
        value, nodes, (low, high) = columns[name], model[f"axis.{name}"], LIMITS[name]
        bad = bad | ~((value >= low) & (value <= high))
        value = xp.where(bad, 1.0, value)
        if name == "longitude":
            value = nodes[0] + (value - nodes[0]) % 360.0
        if name == "distance_km":
            value = xp.log(xp.maximum(value, 0.1))
        slack = 1e-5 * (nodes[-1] - nodes[0])  # rounding is not beyond
        beyond = beyond | (value < nodes[0] - slack) | (value > nodes[-1] + slack)
        value = xp.clip(value, nodes[0], nodes[-1])
        at = xp.clip(xp.searchsorted(nodes, value, side="right") - 1, 0, len(nodes) - 2)
        part = (value - nodes[at]) / (nodes[at + 1] - nodes[at])
        weight = [w * side for w in weight for side in (1 - part, part)]
        index = [i * len(nodes) + at + step for i in index for step in (0, 1)]
    flat = model["score"].reshape(-1)
    score = sum(w * flat[i] for w, i in zip(weight, index, strict=True))
    chance = model["share"] * 0.5 * erfc(-score * math.sqrt(0.5), xp)
    status = xp.where(bad, Status.BAD_INPUT, xp.where(beyond, Status.BEYOND, Status.OK))
    return answer_of(xp, status, miss_probability=1 - chance, margin=chance - model["needed"])


class Detectability:
    """Score the chance that a device, or the rule of a network, notices an earthquake.

    The columns are the axes of a table that the model filled: magnitude, distance and depth for a
    single device; latitude, longitude, magnitude and local hour for a network.

    Examples
    --------
    See `load`.
    """

    def __init__(self, artefact: Artefact) -> None:
        self.axes = tuple(artefact.settings["axes"])
        self._model = {name: value.astype(np.float64) for name, value in artefact.arrays.items()}

    def score(self, **columns: Any) -> Answer:
        """Score one earthquake, or rows; a column for each of `axes`."""
        given, single = rows(**{name: columns.get(name) for name in self.axes})
        exact = {name: column.astype(np.float64) for name, column in given.items()}
        answer = detectability(np, self.axes, self._model, exact)
        return first_of(answer) if single else answer


# Ranges outside which a value cannot be.
LIMITS = {
    "latitude": (-90.0, 90.0),
    "longitude": (-540.0, 540.0),
    "depth_km": (-10.0, 800.0),
    "elevation_m": (-12000.0, 9000.0),
    "magnitude": (-3.0, 10.0),
    "distance_km": (0.0, 20100.0),
    "hour": (0.0, 24.0),
    "weight": (0.0, 1e30),
    "time_s": (-1e12, 1e12),
}


def table_of(**values: Any) -> tuple[dict[str, np.ndarray], Status]:
    """Return the usable rows of one data set in float64, and whether any were left out."""
    columns = {name: np.atleast_1d(numbers(value)) for name, value in values.items()}
    sizes = {column.shape for column in columns.values() if column.shape != (1,)} or {(1,)}
    shape = sizes.pop()
    if sizes or len(shape) > 1:
        return {name: np.zeros(0) for name in columns}, Status.BAD_INPUT
    columns = {name: np.broadcast_to(column, shape) for name, column in columns.items()}
    good = np.ones(shape, bool)
    for name, column in columns.items():
        low, high = LIMITS[name]
        good &= (column >= low) & (column <= high)
    status = Status.OK if good.all() else Status.PARTIAL
    return {name: column[good] for name, column in columns.items()}, status


def source_rows(
    centre: tuple[float, float], most: int, **draws: Any
) -> tuple[dict[str, np.ndarray], Status]:
    """Draws of a source about the centre of the sites, weights normalised, and the status."""
    columns, status = table_of(**draws)
    total = float(columns["weight"].sum())
    if len(columns["weight"]) > most:
        return columns, Status.TOO_MANY
    if status != Status.BAD_INPUT and not total > 0:
        return columns, Status.TOO_FEW
    depth = columns["depth_km"]
    place = cartesian(centre, columns["latitude"], columns["longitude"], -depth)
    made = {"place_km": place, "depth_km": depth, "magnitude": columns["magnitude"]}
    made["weight"] = columns["weight"] / total if total > 0 else columns["weight"]
    return {name: value.astype(np.float32) for name, value in made.items()}, status


def _point_source(model: dict[str, np.ndarray], drawn: dict[str, np.ndarray]) -> Any:
    """Share, mean and scale of log10 PGA by squared distance; see `ground_motion.PointSource`."""
    saturation = model["saturation_km"] * np.exp(
        model["saturation_slope"] * (drawn["magnitude"] - 6.0)
    )
    source = model["intercept"] + model["magnitude_slope"] * drawn["magnitude"]
    parts = (float(model[name]) for name in ("event_sd", "station_sd", "record_sd"))
    scale = math.hypot(*parts) / math.log(10)

    def components(square: np.ndarray) -> list[tuple[Any, Any, Any]]:
        square = square + saturation**2
        natural = source - 0.5 * model["distance_slope"] * np.log(square)
        natural -= model["anelastic_per_km"] * np.sqrt(square)
        return [(1.0, natural / math.log(10) - 2.0, scale)]

    return components


def _tabulated(model: dict[str, np.ndarray], drawn: dict[str, np.ndarray]) -> Any:
    """As `_point_source`, from a table; see `realtime.TabulatedPredictor`."""
    z, lower = _place(drawn["depth_km"], model["depth_km"])
    m, smaller = _place(drawn["magnitude"], model["magnitude"])
    corners = ((i, j) for i in (0, 1) for j in (0, 1))  # of the axes that only draws have
    table: Any = sum(
        np.abs(1 - i - lower)[:, None, None, None]
        * np.abs(1 - j - smaller)[:, None, None, None]
        * model["table"][z + i, m + j]
        for i, j in corners
    )
    nodes, own = model["log_distance"], np.arange(len(table))

    def components(square: np.ndarray) -> list[tuple[Any, Any, Any]]:
        at, part = _place(0.5 * np.log(square), nodes)
        return [
            tuple(
                table[own, at, field, number] * (1 - part)
                + table[own, at + 1, field, number] * part
                for field in range(3)
            )
            for number in range(table.shape[-1])
        ]

    return components


def _place(value: np.ndarray, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number of the lower node, and how far a value is on the way to the next."""
    value = np.clip(value, nodes[0], nodes[-1])
    at = np.clip(np.searchsorted(nodes, value, side="right") - 1, 0, len(nodes) - 2)
    return at, (value - nodes[at]) / (nodes[at + 1] - nodes[at])


class Exceedance:
    """Score the chance of strong shaking at registered sites; see `eqstat.exceedance.shaking`.

    Examples
    --------
    See `load`.
    """

    def __init__(self, artefact: Artefact) -> None:
        self._centre = tuple(artefact.settings["centre"])
        self._site_km = artefact.arrays["site_km"].astype(np.float64)
        self._threshold = artefact.arrays["log10_threshold"].astype(np.float64)
        self._action = float(artefact.settings["action_probability"])
        model = {
            name.removeprefix("predictor."): value
            for name, value in artefact.arrays.items()
            if name.startswith("predictor.")
        }
        known = {"PointSource": _point_source, "TabulatedPredictor": _tabulated}
        self._predict = partial(known[artefact.settings["predictor"]], model)

    def score(
        self, latitude: Any, longitude: Any, depth_km: Any, magnitude: Any, weight: Any = 1.0
    ) -> Answer:
        """Score draws of a source, (draws,) each; probabilities are of (sites, thresholds)."""
        drawn, status = source_rows(
            self._centre, MOST_ROWS, latitude=latitude, longitude=longitude,
            depth_km=depth_km, magnitude=magnitude, weight=weight,
        )  # fmt: skip
        shape = len(self._site_km), len(self._threshold)
        if status not in (Status.OK, Status.PARTIAL):
            blank = np.full(shape, math.nan)
            return Answer(exceedance_probability=blank, margin=blank.copy(), status=int(status))
        drawn = {name: value.astype(np.float64) for name, value in drawn.items()}
        probability = np.zeros(shape)
        components = self._predict(drawn)
        step = max(2**16 // max(len(drawn["weight"]), 1), 1)  # sites at once: little memory
        for first in range(0, shape[0], step):
            apart = self._site_km[first : first + step, None, :] - drawn["place_km"]
            square = np.einsum("sdi,sdi->sd", apart, apart) + 0.1**2
            for share, mean, scale in components(square):
                for number, threshold in enumerate(self._threshold):
                    tail = 0.5 * share * erfc((threshold - mean) * (math.sqrt(0.5) / scale))
                    probability[first : first + step, number] += tail @ drawn["weight"]
        probability = np.minimum(probability, 1.0)
        return Answer(
            exceedance_probability=probability,
            margin=probability - self._action,
            status=int(status),
        )


def trigger_rows(most: int, **columns: Any) -> tuple[dict[str, np.ndarray], Status]:
    """Usable triggers about their middle: positions, km, and times about their mean, s."""
    table, status = table_of(**columns)
    given = np.stack(list(table.values()), axis=-1) if table else np.zeros((0, 4))
    if len(given):
        given = np.unique(given[np.abs(given[:, 0] - np.median(given[:, 0])) <= CLOCK_S], axis=0)
    if status == Status.OK and len(given) < len(table["time_s"]):
        status = Status.PARTIAL
    if len(given) > most:
        return {}, Status.TOO_MANY
    if status != Status.BAD_INPUT and (len(given) < 5 or len(np.unique(given[:, 1:3], axis=0)) < 3):
        return {}, Status.TOO_FEW
    if status == Status.BAD_INPUT:
        return {}, status
    time, latitude, longitude, elevation = given.T
    phi, turn = np.deg2rad(latitude), np.deg2rad(longitude - longitude[0])
    x, y = np.mean(np.cos(phi) * np.cos(turn)), np.mean(np.cos(phi) * np.sin(turn))
    middle = math.degrees(math.atan2(float(np.mean(np.sin(phi))), math.hypot(x, y)))
    centre = middle, float(longitude[0]) + math.degrees(math.atan2(y, x))
    place = cartesian(centre, latitude, longitude, elevation / 1000)
    return {"place_km": place, "time_s": time - time.mean()}, status


# Where a search starts: rings about the middle of the triggers, in apertures, and depths, km.
_RADII = np.repeat(np.geomspace(0.25, 20.0, 9), 16)
_TURNS = np.tile(np.arange(16) * np.pi / 8, 9) + np.repeat(np.arange(9) % 2, 16) * np.pi / 16
_RINGS = np.stack([_RADII * np.sin(_TURNS), _RADII * np.cos(_TURNS)], axis=1)
NET = np.concatenate([[[0.0, 0.0]], _RINGS])
DEPTHS_KM = np.array([1.0, 8.0, 20.0, 45.0, 90.0, 170.0, 300.0, 480.0])
STARTS, MOST_STEPS, DEEPEST_KM = 4, 100, 500.0
# Points about a hypocentre: wider than normal by this factor, with so many degrees of freedom.
WIDER, FREEDOM = 1.2, 5.0
PAIRS = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))  # of symmetric 3 x 3 matrices


def _paths(xp: Any, node: Any, place: Any) -> tuple[Any, Any, Any]:
    """Straight distances from hypocentres (east, north, depth) to places, slopes, and metric."""
    x, y, depth = node[..., 0:1], node[..., 1:2], node[..., 2:3]
    radius = EARTH_RADIUS_KM - depth
    up = xp.sqrt(xp.maximum(radius**2 - x * x - y * y, 1.0))
    dx, dy, dz = x - place[:, 0], y - place[:, 1], up - EARTH_RADIUS_KM - place[:, 2]
    path = xp.sqrt(dx * dx + dy * dy + dz * dz + 1e-12)
    slopes = (dx - dz * x / up, dy - dz * y / up, -dz * radius / up)
    a, b, c = -x / up, -y / up, -radius / up
    rows_of = ((1 + a * a, a * b, a * c), (a * b, 1 + b * b, b * c), (a * c, b * c, c * c))
    metric = xp.stack([xp.concatenate(row, axis=-1) for row in rows_of], axis=-2)
    return path, [slope / path for slope in slopes], metric


def _solved(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Solution of symmetric 3 x 3 systems (six numbers: 00, 01, 02, 11, 12, 22) and determinant."""
    a00, a01, a02, a11, a12, a22 = a
    c00, c01, c02 = a11 * a22 - a12**2, a02 * a12 - a01 * a22, a01 * a12 - a02 * a11
    c11, c12, c22 = a00 * a22 - a02**2, a01 * a02 - a00 * a12, a00 * a11 - a01**2
    det = a00 * c00 + a01 * c01 + a02 * c02
    det = xp.where(det == 0, 1e-300, det)
    b0, b1, b2 = b
    rows_of = ((c00, c01, c02), (c01, c11, c12), (c02, c12, c22))
    return tuple((p * b0 + q * b1 + r * b2) / det for p, q, r in rows_of), det


def hypocentres(
    xp: Any, loop: Any, model: dict[str, Any], data: dict[str, Any], prior: Any
) -> tuple[Any, Any]:
    """Hypocentres of P and of S, the origin time profiled out: least squares, and with a prior.

    Levenberg-Marquardt steps within the bounds, from the best places of a coarse net. The prior is
    normal with precisions `prior`, (3,), at a scatter of delta. Returns hypocentres, (4, 3), and
    Gram matrices of slopes and residuals, (4, 4, 4), of P and S without and with the prior.
    """
    place, time, mask = data["place_km"], data["time_s"], data["mask"]
    count, region = xp.sum(mask), model["region_km"]
    velocity = model["velocity_km_s"]
    radius = xp.sqrt(xp.sum(place * place, axis=-1))
    middle = xp.sort(xp.where(mask > 0, radius, math.inf))[(count.astype(int) - 1) // 2]
    net = xp.clip(NET * xp.maximum(middle, 5.0), -0.98 * region, 0.98 * region)
    wide = (len(NET), len(DEPTHS_KM), 1)
    nodes = xp.concatenate(
        [xp.broadcast_to(net[:, None, :], (*wide[:2], 2)),
         xp.broadcast_to(xp.asarray(DEPTHS_KM)[None, :, None], wide)], axis=-1
    )  # fmt: skip
    path = _paths(xp, nodes.reshape(-1, 3), place)[0]
    one, two, cross = path @ mask, (path * path) @ mask, path @ (mask * time)
    slow = 1 / velocity[:, None]
    square = -2 * cross * slow + (two - one * one / count) * slow**2
    pulled = xp.sum(prior * model["delta_s"] ** 2 * nodes**2, axis=-1)
    square = square.reshape(2, len(NET), len(DEPTHS_KM))
    square = xp.concatenate([square, square + pulled])
    best = xp.argsort(xp.min(square, axis=2), axis=1)[:, :STARTS]
    depth = xp.take_along_axis(xp.argmin(square, axis=2), best, axis=1)
    node = nodes[best, depth].reshape(-1, 3)
    speed = xp.repeat(xp.concatenate([velocity, velocity]), STARTS)[:, None]
    ridge = xp.repeat(xp.asarray([0.0, 1.0]), 2 * STARTS)[:, None] * prior * model["delta_s"] ** 2
    low = xp.stack([-region, -region, 0.0 * region])
    high = xp.stack([region, region, DEEPEST_KM + 0.0 * region])

    def terms(node: Any) -> tuple[Any, Any, Any]:
        path, slopes, metric = _paths(xp, node, place)
        moves = xp.stack(slopes, axis=1)
        both = xp.concatenate([moves, time - (path / speed)[:, None]], axis=1)
        both = mask * xp.concatenate([both[:, :3] / speed[:, None], both[:, 3:]], axis=1)
        both = both - mask * (both @ mask)[..., None] / count
        gram = both @ xp.swapaxes(both, 1, 2)
        # Second derivatives of the paths matter where residuals are large.
        bend = both[:, 3] / (path * speed)
        turn = xp.sum(bend, axis=1)[:, None, None]
        curve = gram[:, :3, :3] + (moves * bend[:, None]) @ xp.swapaxes(moves, 1, 2) - metric * turn
        return gram, curve, gram[:, 3, 3] + xp.sum(ridge * node**2, axis=1)

    def step(state: Any) -> Any:
        node, gram, curve, square, damping, still, number = state
        slope = gram[:, :3, 3] - ridge * node
        held = ((node <= low) & (slope < 0)) | ((node >= high) & (slope > 0))
        free = xp.where(held, 0.0, 1.0)
        matrix = [
            curve[:, i, j] * free[:, i] * free[:, j]
            + (ridge[:, i] + damping * gram[:, i, i] + 1e-9 + 1 - free[:, i] if i == j else 0.0)
            for i, j in PAIRS
        ]
        move, _ = _solved(xp, matrix, tuple((slope * free)[:, i] for i in range(3)))
        tried = xp.clip(node + xp.stack(move, axis=-1), low, high)
        new = terms(tried)
        better = new[2] < square
        fall = xp.where(better, square - new[2], 0.0)
        return (
            xp.where(better[:, None], tried, node),
            xp.where(better[:, None, None], new[0], gram),
            xp.where(better[:, None, None], new[1], curve),
            xp.where(better, new[2], square),
            xp.clip(xp.where(better, damping / 5, damping * 5), 1e-9, 1e9),
            xp.where(fall > 1e-11 * square + 1e-14, 0, still + 1),
            number + 1,
        )

    def goes_on(state: Any) -> Any:
        return xp.any(state[-2] < 4) & (state[-1] < MOST_STEPS)

    gram, curve, square = terms(node)
    state = (node, gram, curve, square, 1e-2 + 0.0 * square, xp.zeros(square.shape, int), 0)
    node, gram, _, square, *_ = loop(goes_on, step, state)
    square = square.reshape(4, STARTS)
    # Of mirror images, which fit alike, the same one whatever the rounding.
    near = square <= xp.min(square, axis=1, keepdims=True) * (1 + 1e-6) + 1e-9
    side = xp.where(near, (node[:, 0] + 0.618 * node[:, 1]).reshape(4, STARTS), -math.inf)
    at = xp.argmax(side, axis=1) + STARTS * xp.arange(4)
    return node[at], gram[at]


def _drawn(
    xp: Any, model: dict[str, Any], data: dict[str, Any], prior: Any, node: Any, gram: Any
) -> tuple[Any, Any]:
    """Sums of squared residuals at points for each wave, and their prior masses, (2, points).

    Half of the points are of the prior, half of a Student t about the hypocentre `node`, (2, 3),
    with the curvature of `gram`, (2, 4, 4): where triggers determine the hypocentre the first are
    too few, where they do not the second are too close. A point's mass is the prior's density over
    that of both (multiple importance sampling with the balance heuristic, Veach and Guibas 1995).
    """
    mask, z, wide = data["mask"], model["points"], model["delta_s"] ** 2 * WIDER**2
    a00, a01, a02, a11, a12, a22 = (
        (gram[:, i, j] + (prior[i] * wide if i == j else 0.0))[:, None] / wide for i, j in PAIRS
    )
    # Cholesky's factor of the curvature, and the points of which it makes standard normals.
    c0 = xp.sqrt(a00)
    c01, c02 = a01 / c0, a02 / c0
    c1 = xp.sqrt(xp.maximum(a11 - c01**2, 1e-12 * a11))
    c12 = (a12 - c01 * c02) / c1
    c2 = xp.sqrt(xp.maximum(a22 - c02**2 - c12**2, 1e-12 * a22))
    up = z[:, 2] / c2
    north = (z[:, 1] - c12 * up) / c1
    east = (z[:, 0] - c01 * north - c02 * up) / c0
    near = node[:, None, :] + z[:, 3:] * xp.stack([east, north, up], axis=-1)
    of_prior = xp.broadcast_to(z[:, :3] / xp.sqrt(prior), near.shape)
    point = xp.concatenate([near, of_prior], axis=1)
    point = xp.where(xp.arange(3) < 2, point, xp.abs(point))  # the surface reflects

    def log_t(sign: float) -> Any:
        x, y, depth = (f * point[..., i] - node[:, None, i] for i, f in enumerate((1, 1, sign)))
        far = (
            (c0 * x + c01 * y + c02 * depth) ** 2 + (c1 * y + c12 * depth) ** 2 + (c2 * depth) ** 2
        )
        return xp.log(c0 * c1 * c2) - 0.5 * (FREEDOM + 3) * xp.log(1 + far / FREEDOM)

    scale = math.lgamma((FREEDOM + 3) / 2) - math.lgamma(FREEDOM / 2)
    log_near = xp.logaddexp(log_t(1.0), log_t(-1.0)) + scale - 1.5 * math.log(FREEDOM * math.pi)
    log_prior = 0.5 * (xp.log(prior).sum() - xp.sum(prior * point**2, axis=-1))
    log_prior = log_prior + math.log(2.0) - 1.5 * math.log(2 * math.pi)
    log_mass = log_prior - xp.logaddexp(log_prior, log_near) - math.log(len(z))
    path = _paths(xp, point, data["place_km"])[0]
    residual = data["time_s"] - path / model["velocity_km_s"][:, None, None]
    mean = (residual @ mask) / xp.sum(mask)
    return ((residual - mean[..., None]) ** 2) @ mask, log_mass


def classification(
    xp: Any, loop: Any, tail: Any, model: dict[str, Any], data: dict[str, Any], status: Any
) -> Answer:
    """Test both waves, and weigh their evidence against that of two false detections."""
    mask, time, region = data["mask"], data["time_s"], model["region_km"]
    count = xp.sum(mask)
    spread2 = xp.sum(data["place_km"] ** 2) / count
    reach = xp.clip(model["apertures"] * xp.sqrt(spread2), 50.0, 500.0)
    prior = xp.stack([3 / reach**2, 3 / reach**2, model["depth_sd_km"] ** -2])
    nodes, grams = hypocentres(xp, loop, model, data, prior)
    node, square = nodes[:2], grams[:2, 3, 3]
    # An estimate at a bound spends no degree of freedom.
    bound = xp.sum(xp.abs(node[:, :2]) > 0.999 * region, axis=1)
    bound = bound + (node[:, 2] < 0.01) + (node[:, 2] > DEEPEST_KM - 0.01)
    freedom = count.astype(int) - 4 + bound
    statistic = square / model["delta_s"] ** 2
    critical = model["critical"][xp.clip(freedom, 0, len(model["critical"]) - 1)]
    last, first = xp.where(mask > 0, time, -math.inf), xp.where(mask > 0, time, math.inf)
    within = xp.max(last) - xp.min(first)
    window = within + 2 * model["lead_s"]
    sd = model["scatter_s"][:, None]
    log_sd = -0.5 * (count - 1) * xp.log(2 * math.pi * sd**2) - 0.5 * xp.log(count)
    # Earthquakes: an integral over hypocentres, the origin time integrated out.
    squares, log_mass = _drawn(xp, model, data, prior, nodes[2:], grams[2:])
    wave = log_sd - xp.log(window) + xp.log(model["scatter_weight"])[:, None]
    wave = wave - 0.5 * squares[:, None] / sd**2 + log_mass[:, None]
    quake = _log_sum(xp, wave.reshape(-1)) - math.log(2)
    # Background over an interval of unknown start and length, which holds all times.
    span = xp.maximum(within, 1.0)
    u, whole, k = 1 + model["lead_s"] / span, window / span, count
    falls = u ** (1 - k) / (k - 1) - u**-k / k
    inner = 1 / (k * (k - 1)) - falls + (u - 1) * (u**-k - whole**-k) / k
    spread = (1 - k) * xp.log(span) + xp.log(xp.maximum(inner, 1e-300))
    spread = spread - xp.log(window) - xp.log(xp.log(xp.maximum(window, 2.0)))
    # A cause that reaches all devices at one time.
    common = model["common_s"]
    at_once = -0.5 * (k - 1) * xp.log(2 * math.pi * common**2) - 0.5 * xp.log(k) - xp.log(window)
    at_once = at_once - 0.5 * xp.sum(mask * time**2) / common**2 + xp.log(model["common_weight"])
    false = xp.stack([spread, _log_sum(xp, at_once)])
    odds = quake - _log_sum(xp, false) + math.log(2) + model["log_prior_odds"]
    odds = xp.clip(model["slope"] * odds + model["intercept"], -80.0, 80.0)
    missed = xp.max(xp.stack([tail(statistic[i], freedom[i]) for i in (0, 1)]))
    chance, margin = 1 / (1 + xp.exp(-odds)), xp.max(critical - statistic)
    given = {"miss_probability": missed, "earthquake_probability": chance, "margin": margin}
    return answer_of(xp, status, **given)


def _log_sum(xp: Any, logs: Any) -> Any:
    """Log of the sum of exponentials."""
    top = xp.max(logs)
    return top + xp.log(xp.sum(xp.exp(logs - top)))


def _plain_loop(goes_on: Any, step: Any, state: Any) -> Any:
    while goes_on(state):
        state = step(state)
    return state


class Classification:
    """Test whether trigger times fit an earthquake; see `eqstat.traveltime.classify`.

    Examples
    --------
    See `load`.
    """

    def __init__(self, artefact: Artefact) -> None:
        self._model = {name: value.astype(np.float64) for name, value in artefact.arrays.items()}

    def score(self, time_s: Any, latitude: Any, longitude: Any, elevation_m: Any = 0.0) -> Answer:
        """Score the triggers of one detection, (n,) each; times since any epoch."""
        place = {"latitude": latitude, "longitude": longitude, "elevation_m": elevation_m}
        data, status = trigger_rows(MOST_ROWS, time_s=time_s, **place)
        if not data:
            return Answer(status=int(status))
        data["mask"] = np.ones(len(data["time_s"]))
        given = self._model, data, np.int32(status)
        with np.errstate(all="ignore"):
            return first_of(classification(np, _plain_loop, chi_square_tail, *given))


class Features(NamedTuple):
    """Features of a window of three-component acceleration, or of many: see `eqstat.waveform`.

    Attributes
    ----------
    iqr_m_s2
        Interquartile range of the vector sum, m/s2.
    zero_crossings
        Largest number of sign changes of a component.
    cav_m_s
        Cumulative absolute velocity: time integral of the vector sum, m/s.
    peak_m_s2
        Largest vector sum, m/s2.
    duration_s
        Time from 5 to 95 % of the sum of squares, s.
    dominant_period_s
        Period of a sine with the same ratio of differences to samples, s.
    hv_ratio
        Root mean square of a horizontal component over that of the vertical one, at most 1000; NaN
        where the vertical is not known.
    polarization
        Degree of polarization: 0 for motion alike in all directions, 1 along one line.
    sta_lta
        Root mean square of the last step over that of the time before, at most 1000; NaN before
        that time is full.
    status
        Of `Status`: PARTIAL where samples are missing, BEYOND where one is clipped, BAD_INPUT where
        nothing moves, TOO_FEW where too many samples are missing (the features are NaN).

    Examples
    --------
    See `FeatureStream`.
    """

    iqr_m_s2: Any = math.nan
    zero_crossings: Any = math.nan
    cav_m_s: Any = math.nan
    peak_m_s2: Any = math.nan
    duration_s: Any = math.nan
    dominant_period_s: Any = math.nan
    hv_ratio: Any = math.nan
    polarization: Any = math.nan
    sta_lta: Any = math.nan
    status: Any = 0


class FeatureStream:
    """Features of the last seconds of a sensor, sample by sample at a constant cost.

    The same as `eqstat.waveform.FeatureStream`, whose documentation has the definitions.

    Parameters
    ----------
    rate_hz
        Samples per second.
    window_s, step_s
        Length of a window and time from one to the next, s; rounded to whole samples.
    long_s
        Length of the long-term average of STA/LTA, s, rounded to whole steps.
    least_share
        Windows with a smaller share of samples have no features.
    clip_m_s2
        Level at which a component of the sensor is clipped, m/s2.
    vertical
        Vector along the vertical; by default the mean of a window, where it is of gravity's size.
    dtype
        Precision.

    Examples
    --------
    >>> stream = FeatureStream(100.0)
    >>> wave = np.sin(2 * np.pi * 5 * np.arange(300) / 100)
    >>> first, second, third = stream.update(wave * [[0.3], [0.4], [0.0]])
    >>> first.status, third.status
    (4, 0)
    >>> round(third.dominant_period_s, 3), round(third.peak_m_s2, 3), round(third.polarization, 3)
    (0.2, 0.5, 1.0)
    """

    def __init__(
        self,
        rate_hz: float,
        *,
        window_s: float = 2.0,
        step_s: float = 1.0,
        long_s: float = 10.0,
        least_share: float = 0.8,
        clip_m_s2: float = math.inf,
        vertical: Any = None,
        dtype: Any = np.float64,
    ) -> None:
        self._rate, self._least, self._clip = float(rate_hz), float(least_share), float(clip_m_s2)
        self._step, size = round(step_s * rate_hz), round(window_s * rate_hz)
        self._long = round(long_s / step_s)
        if not (8 <= size <= 2**20 and 4 <= self._step <= size and 1 <= self._long <= 2**12):
            raise ValueError("FeatureStream: a window of 8 samples or more, a step of 4 or more")
        self._vertical = None
        if vertical is not None:
            self._vertical = [float(one) / math.hypot(*vertical) for one in vertical]
        # The fourth row says which samples there are. Views and buffers are made once, as making
        # them takes as long as the sums themselves.
        self._samples, self._next = np.zeros((4, size), dtype), np.zeros((4, self._step), dtype)
        self._old, self._kept = self._samples[:, : -self._step], self._samples[:, self._step :]
        self._moved, self._squares = np.zeros((2, 3, size), dtype)
        self._high, self._change = np.zeros((3, size), bool), np.zeros((3, size - 1), bool)
        self._jump, self._band = np.zeros((3, size - 1), dtype), np.zeros((3, 1), dtype)
        self._neighbours = [(a[:, 1:], a[:, :-1]) for a in (self._high, self._moved)]
        self._filled, self._since_gap = 0, 0
        # Sums of squares about the mean of each step, and its number of samples.
        self._sums, self._counts = [0.0] * self._long, [0] * self._long

    def update(self, samples: Any, mask: Any = None) -> list[Features]:
        """Take the next samples in m/s2, (3, n); return the features of each step they complete.

        Samples that are missing, by `mask`, (n,), or because they are no number, count as a gap.
        """
        new = np.asarray(samples, self._samples.dtype)
        out, at, size = [], 0, new.shape[1]
        with np.errstate(all="ignore"):
            while at < size:
                count = min(self._step - self._filled, size - at)
                end = self._filled + count
                self._next[:3, self._filled : end] = new[:, at : at + count]
                self._next[3, self._filled : end] = 1 if mask is None else mask[at : at + count]
                at, self._filled = at + count, end
                if end == self._step:
                    out.append(self._features())
                    self._filled = 0
        return out

    def _features(self) -> Features:
        step, long, new = self._step, self._long, self._next
        moved, count = new[:3] - new[:3, :1], step
        square, total = float(np.vdot(moved, moved)), np.add.reduce(moved, 1).tolist()
        if not (math.isfinite(square) and np.logical_and.reduce(new[3])):
            given = (new[3] != 0) & np.isfinite(new[:3].sum(0))
            new[:, ~given], new[3, given] = 0, 1
            moved = (new[:3] - new[:3, int(given.argmax())][:, None])[:, given]
            square, total = float(np.vdot(moved, moved)), moved.sum(1).tolist()
            count = int(new[3].sum())
        square -= sum(one * one for one in total) / max(count, 1)
        self._old[:] = self._kept
        self._samples[:, -step:] = new
        self._since_gap = self._since_gap + step if count == step else 0
        before, seen, ratio = sum(self._sums), sum(self._counts), math.nan
        self._sums, self._counts = [*self._sums[1:], square], [*self._counts[1:], count]
        least = self._least - 1e-6  # shares of whole samples, whatever the precision
        if count >= least * step and seen >= least * long * step:
            ratio = math.sqrt(max(square, 0.0) / count / max(before / seen, 1e-30))
        return self._window(min(ratio, MOST_RATIO))

    def _window(self, ratio: float) -> Features:
        """Features of the last window; what is missing lies at the mean."""
        samples, dt, moved, jump = self._samples[:3], 1 / self._rate, self._moved, self._jump
        count = size = samples.shape[1]
        pairs, full, at = size - 1, self._since_gap >= size, 0
        valid = pair = None
        if not full:
            valid = self._samples[3] != 0
            pair = valid[1:] & valid[:-1]
            count, pairs, at = int(valid.sum()), int(pair.sum()), int(valid.argmax())
            if count < (self._least - 1e-6) * size or pairs < 1:
                return Features(status=int(Status.TOO_FEW))
        # From the first sample on, so that gravity takes no digits of the motion.
        np.subtract(samples, samples[:, at : at + 1], moved)
        if valid is not None:
            np.multiply(moved, valid, moved)
        mean = np.add.reduce(moved, 1) / count
        np.subtract(moved, mean[:, None], moved)
        if valid is not None:
            np.multiply(moved, valid, moved)
        (xx, xy, xz), (_, yy, yz), (_, _, zz) = np.dot(moved, moved.T).tolist()
        square = np.add.reduce(np.multiply(moved, moved, self._squares), 0)
        length, summed = np.sqrt(square), np.add.accumulate(square)
        self._band[:, 0] = [DEAD_BAND * math.sqrt(one / count) for one in (xx, yy, zz)]
        np.greater(moved, self._band, self._high)
        change = np.not_equal(*self._neighbours[0], self._change)
        np.subtract(*self._neighbours[1], jump)
        if pair is None:
            integral = float(np.add.reduce(length)) - 0.5 * float(length[0] + length[-1])
        else:
            change &= pair
            jump *= pair
            integral = 0.5 * float(((length[1:] + length[:-1]) * pair).sum())
        ordered = np.sort(length if valid is None else length[valid])
        quartiles = []
        for place in (0.25 * (count - 1), 0.75 * (count - 1)):
            low, high_end = ordered[int(place) : int(place) + 2].tolist()
            quartiles.append(low + (place - int(place)) * (high_end - low))
        status = Status.OK if full else Status.PARTIAL
        if self._clip < math.inf and float(np.abs(samples).max()) >= self._clip:
            status = Status.BEYOND
        iqr, crossings = (
            quartiles[1] - quartiles[0],
            float(max(np.add.reduce(change, 1, np.int32).tolist())),
        )
        cav, peak = integral * dt * (size - 1) / pairs, float(ordered[-1])
        energy = xx + yy + zz
        if not energy > 0:
            return Features(iqr, crossings, cav, peak, sta_lta=ratio, status=int(Status.BAD_INPUT))
        start, end = (self._time_of(share, square, summed) for share in (0.05, 0.95))
        # A sine of angular frequency w has differences 2 sin(w dt / 2) times as large as itself.
        rough = 0.5 * math.sqrt(float(np.vdot(jump, jump)) / pairs / (energy / count))
        up = self._vertical
        if up is None:
            level = [a + b for a, b in zip(samples[:, at].tolist(), mean.tolist(), strict=True)]
            gravity = math.hypot(*level)
            if GRAVITY_M_S2[0] <= gravity <= GRAVITY_M_S2[1]:
                up = [one / gravity for one in level]
        flat = math.nan
        if up is not None:
            x, y, z = up
            upright = (
                xx * x * x + yy * y * y + zz * z * z + 2 * (xy * x * y + xz * x * z + yz * y * z)
            )
            flat = math.sqrt(max(energy - upright, 0.0) / 2 / max(upright, 1e-30))
        third = energy / 3
        uneven = (xx - third) ** 2 + (yy - third) ** 2 + (zz - third) ** 2
        uneven += 2 * (xy * xy + xz * xz + yz * yz)
        return Features(
            iqr,
            crossings,
            cav,
            peak,
            (end - start) * dt,
            math.pi * dt / math.asin(min(max(rough, 1e-9), 1.0)),
            min(flat, MOST_RATIO),
            math.sqrt(1.5 * uneven) / energy,
            ratio,
            int(status),
        )

    @staticmethod
    def _time_of(share: float, square: np.ndarray, summed: np.ndarray) -> float:
        """Samples until a share of the sum of squares is reached, between samples by a line."""
        wanted = share * float(summed[-1])
        place = int(summed.searchsorted(wanted))
        before = float(summed[place - 1]) if place else 0.0
        return place + (wanted - before) / float(square[place])


def _softplus(xp: Any, x: Any) -> Any:
    return xp.logaddexp(0.0 * x, x)


def _log_mean(xp: Any, logs: Any) -> Any:
    """Log of the mean of exponentials over the last axis."""
    top = xp.max(logs, axis=-1)
    return top + xp.log(xp.mean(xp.exp(logs - top[..., None]), axis=-1))


def log_ratio_of_draws(xp: Any, draws: Any) -> Any:
    """Log likelihood ratio of draws of it (..., draws), averaged as probabilities at even odds."""
    return _log_mean(xp, -_softplus(xp, -draws)) - _log_mean(xp, -_softplus(xp, draws))


def drawn_ratios(xp: Any, model: dict[str, Any], z: Any) -> Any:
    """Draws of the log likelihood ratio of standardised features (n, features), (n, draws)."""
    inner, outer = model["inner_weight"], model["outer_weight"]
    shape = (len(z), *outer.shape)
    width = outer.shape[0] * outer.shape[1]
    node = z @ inner.reshape(width, z.shape[1]).T + model["inner_bias"].reshape(-1)
    node = xp.tanh(node).reshape(shape)
    drawn = model["level"] + z @ model["weight"].T + xp.sum(node * outer, axis=-1)
    if not len(model["tangent"]):
        return drawn
    # Linear in the parameters about the one member there is.
    node = node[:, 0]
    slope = outer[0] * (1 - node**2)
    rows = (slope[:, :, None] * z[:, None, :]).reshape(len(z), slope.shape[1] * z.shape[1])
    moved = xp.concatenate([xp.ones_like(z[:, :1]), z, node, slope, rows], axis=1)
    return drawn + moved @ model["tangent"].T


def recalibrated(xp: Any, ratio: Any, low: Any, high: Any, shift: Any, lapse: Any) -> Any:
    """Draws (..., draws) of the calibrated log ratio of log ratios (...)."""
    ratio = ratio[..., None]
    line = shift + high * _softplus(xp, ratio) - low * _softplus(xp, -ratio)
    # With the probability of a lapse the windows of either class are alike.
    rest, half = xp.log1p(-lapse), xp.log(lapse / 2)
    return xp.logaddexp(half, rest - _softplus(xp, -line)) - xp.logaddexp(
        half, rest - _softplus(xp, line)
    )


def standardised(xp: Any, model: dict[str, Any], features: Any) -> Any:
    """Transform features as the training data were: logarithms, centre and scale."""
    logs = xp.log(xp.maximum(features, model["floor"]))
    return (xp.where(model["logged"] > 0, logs, features) - model["centre"]) / model["scale"]


def familiar(xp: Any, model: dict[str, Any], z: Any, ratio: Any) -> tuple[Any, Any, Any]:
    """Draw log ratios towards 0 off the training data; also the distance and the status."""
    away = z[:, None, :] - model["home"]
    whitened = xp.sum(away[:, :, None, :] * model["root"], axis=-1)
    distance = xp.sqrt(xp.min(xp.sum(whitened**2, axis=-1), axis=-1)) / model["familiar"]
    status = xp.where(distance > 1, Status.UNFAMILIAR, Status.OK)
    return ratio * xp.clip(2 - distance, 0.0, 1.0), distance, status


def waveform(xp: Any, model: dict[str, Any], features: Any) -> tuple[Any, Any, Any]:
    """Log likelihood ratios of rows of features, their distance from the training data, statuses.

    The distance is in units of the level beyond which a window is unfamiliar; the log ratio falls
    from there in proportion, to 0 at twice the level.
    """
    logged = model["logged"] > 0
    bad = ~xp.all(xp.isfinite(features) & ~(logged & (features < 0)), axis=1)
    z = standardised(xp, model, xp.where(bad[:, None], 1.0, features))
    ratio = log_ratio_of_draws(xp, drawn_ratios(xp, model, z))
    own = [model["recalibration_" + name] for name in ("low", "high", "shift", "lapse")]
    ratio = log_ratio_of_draws(xp, recalibrated(xp, ratio, *own))
    ratio, distance, status = familiar(xp, model, z, ratio)
    nothing = xp.where(bad, math.nan, 0.0)
    return ratio + nothing, distance + nothing, xp.where(bad, Status.BAD_INPUT, status)


def accumulate(xp: Any, model: dict[str, Any], state: Any, ratio: Any, status: Any) -> Any:
    """Add a second's log ratios of devices to their states; calibrated log ratios since the start.

    A state has columns for the last bin of the ratio (-1 at the start, -2 after a second that could
    not be used), the sum and the seconds so far.
    """
    last, total, elapsed = state[:, 0], state[:, 1], state[:, 2]
    known = (status == Status.OK) & xp.isfinite(ratio)
    edge, step = model["time_edge"], model["time_step"]
    here = xp.sum(xp.where(known, ratio, 0.0)[:, None] > edge, axis=1)
    before = xp.clip(last, 0, len(edge)).astype(np.int32)
    change = xp.where(last == -1, model["time_first"][here], step[before, here])
    change = xp.where(last == -2, model["time_any"][here], change)
    total, elapsed = total + xp.where(known, change, 0.0), elapsed + 1
    slower = elapsed[:, None] ** -model["time_decay"]
    low, high = model["time_low"] * slower, model["time_high"] * slower
    draws = recalibrated(xp, total, low, high, model["time_shift"], model["time_lapse"])
    state = xp.stack([xp.where(known, here, -2.0), total, elapsed], axis=1)
    return state, log_ratio_of_draws(xp, draws)


def waveform_answer(xp: Any, model: dict[str, Any], ratio: Any, status: Any) -> Answer:
    """Answer of log likelihood ratios: the posterior at the stated prior odds, and the margin."""
    odds = xp.clip(ratio + model["log_prior_odds"], -80.0, 80.0)
    return answer_of(
        xp,
        status,
        earthquake_probability=1 / (1 + xp.exp(-odds)),
        margin=ratio - model["log_required_ratio"],
    )


class Waveform:
    """Score features of windows of a sensor; see `eqstat.waveform.classifier`.

    The margin of an answer is the log likelihood ratio less that which is required.

    Examples
    --------
    See `load`.
    """

    def __init__(self, artefact: Artefact) -> None:
        self._model = {name: value.astype(np.float64) for name, value in artefact.arrays.items()}
        self.features: list[str] = artefact.settings["features"]

    def _scored(self, features: Any) -> tuple[Any, Any, Any, bool]:
        given, single = matrix(features, len(self.features))
        with np.errstate(all="ignore"):
            return *waveform(np, self._model, given.astype(float)), single

    def score(self, features: Any) -> Answer:
        """Score the features of one window, (features,), or of rows, (n, features)."""
        ratio, _, status, single = self._scored(features)
        answer = waveform_answer(np, self._model, ratio, status)
        return first_of(answer) if single else answer

    def start(self, devices: int = 1) -> np.ndarray:
        """Return the states of devices before the first second."""
        return np.tile([-1.0, 0.0, 0.0], (devices, 1))

    def step(self, state: np.ndarray, features: Any) -> tuple[np.ndarray, Answer]:
        """Add a second of features, a row for each device, to the evidence since the start."""
        ratio, _, status, single = self._scored(features)
        state, total = accumulate(np, self._model, state, ratio, status)
        answer = waveform_answer(np, self._model, total, np.zeros_like(status))._replace(
            status=status.astype(np.int32)
        )
        return state, first_of(answer) if single else answer


def background_noise(xp: Any, prior: dict[str, Any], state: Any) -> tuple[Any, Any, Any, Any]:
    """Mean, weight, shape and scale of the posterior of sensors' log noise.

    A state (..., 4 + levels) has blocks of noise, the sums of their log noise less the prior's mean
    and of its squares, the hours in which exceedances were counted, and these for each level.
    """
    weight = prior["noise_weight"] + state[..., 0]
    shift = state[..., 1] / weight
    square = xp.maximum(state[..., 2] - weight * shift**2, 0.0)
    shape, scale = prior["noise_shape"] + 0.5 * state[..., 0], prior["noise_scale"] + 0.5 * square
    return prior["noise_mean"] + shift, weight, shape, scale


def noise_probability(xp: Any, prior: dict[str, Any], state: Any, noise: Any) -> Any:
    """Probability that a block is noise: its predictive against an even one of shaking above it."""
    mean, weight, shape, scale = background_noise(xp, prior, state)
    freedom, spread = 2 * shape, xp.sqrt(scale / shape * (1 + 1 / weight))
    z = (noise - mean) / spread
    # The constant of Student's density to 1 per cent from two degrees of freedom on.
    log_top = 0.5 * xp.log(xp.maximum(freedom - 0.5, 0.1) / freedom / (2 * math.pi))
    log_noise = log_top - xp.log(spread) - 0.5 * (freedom + 1) * xp.log1p(z * z / freedom)
    odds = prior["shaking"] / (1 - prior["shaking"]) / prior["shaking_range"]
    return xp.where(z > 0, 1 / (1 + odds * xp.exp(xp.minimum(-log_noise, 80.0))), 1.0)


def background_step(
    xp: Any, prior: dict[str, Any], state: Any, hours: Any, noise: Any, top: Any
) -> Any:
    """Learn from a block of each sensor; what is NaN was not heard, but time passes."""
    known, heard = xp.isfinite(noise), ~xp.isnan(top)
    away = xp.where(known, noise - prior["noise_mean"], 0.0)
    share = xp.where(known, noise_probability(xp, prior, state, prior["noise_mean"] + away), 0.0)
    old, kept = (xp.exp2(-hours / prior[f"{name}half_life_h"]) for name in ("noise_", ""))
    above = xp.where(heard, top, -math.inf)[..., None] > prior["levels"]
    new = xp.stack([share, share * away, share * away**2, xp.where(heard, hours, 0.0)], axis=-1)
    decay = xp.stack([old, old, old, kept], axis=-1)
    return xp.concatenate(
        [decay * state[..., :4] + new, xp.asarray(kept)[..., None] * state[..., 4:] + above],
        axis=-1,
    )


def background_factors(xp: Any, prior: dict[str, Any], state: Any) -> tuple[Any, Any]:
    """Posterior of how much noisier than others a sensor is: weights and hours, (..., nodes).

    Only the number above the lowest level says it. The hours are the prior's and those heard.
    """
    before = prior["strength_h"] / prior["factor"]
    after = before + state[..., 3:4]
    number = prior["strength_h"] * prior["mean_per_hour"][0]
    log_weight = xp.log(prior["factor_weight"]) + number * xp.log(before)
    log_weight = log_weight - (number + state[..., 4:5]) * xp.log(after)
    weight = xp.exp(log_weight - xp.max(log_weight, axis=-1)[..., None])
    return weight / xp.sum(weight, axis=-1)[..., None], after


def background_rates(xp: Any, prior: dict[str, Any], state: Any) -> tuple[Any, Any]:
    """Posterior mean and variance of exceedances an hour of each level, (..., levels)."""
    weight, after = background_factors(xp, prior, state)
    first, second = (xp.sum(weight / after**n, axis=-1)[..., None] for n in (1, 2))
    shape = prior["strength_h"] * prior["mean_per_hour"] + state[..., 4:]
    mean = shape * first
    return mean, shape * (shape + 1) * second - mean**2


def background_threshold(
    xp: Any, prior: dict[str, Any], state: Any, false_per_hour: Any
) -> tuple[Any, Any, Any, Any]:
    """Level expected to be exceeded so often; its rate, the hours behind it, and a status.

    Between levels a sensor's rate falls as the fleet's, whose log is a line. Where the highest
    level is exceeded too often the threshold is infinite, with status BEYOND.
    """
    rate, variance = background_rates(xp, prior, state)
    wanted = xp.asarray(false_per_hour) + 0.0 * rate[..., 0]
    place, last = xp.sum(rate > wanted[..., None], axis=-1), rate.shape[-1] - 1
    ends = [xp.clip(place - 1, 0, last)[..., None], xp.clip(place, 0, last)[..., None]]
    high, low = (xp.take_along_axis(rate, i, -1)[..., 0] for i in ends)
    share = xp.clip((wanted - low) / xp.where(high > low, high - low, 1.0), 0.0, 1.0)
    start, end = (prior["levels"][i[..., 0]] for i in ends)
    top, bottom = (prior["mean_per_hour"][i[..., 0]] for i in ends)
    fall = xp.minimum(bottom / top, 1 - 1e-6)
    within = xp.log(fall + (1 - fall) * share) / xp.log(fall)
    before, after = (xp.take_along_axis(rate / variance, i, -1)[..., 0] for i in ends)
    beyond = place > last
    level = xp.where(beyond, math.inf, start + within * (end - start))
    status = xp.where(beyond, Status.BEYOND, Status.OK)
    reached = xp.where((place == 0) | beyond, low, wanted)
    return level, reached, before + within * (after - before), status


KINDS: dict[str, Any] = {
    "counts": Counts,
    "coincidence": Coincidence,
    "detectability": Detectability,
    "exceedance": Exceedance,
    "classification": Classification,
    "waveform": Waveform,
}


def load(source: str | Path | bytes) -> Any:
    """Read an artefact, score its test vectors, and return its scorer.

    Parameters
    ----------
    source
        Path, or the bytes of the file.

    Returns
    -------
    Counts, Coincidence, Detectability, Exceedance, Classification or Waveform
        With the content in `artefact`.

    Raises
    ------
    ArtefactError
        When the file cannot be used, or an answer differs from the expected one.

    Examples
    --------
    >>> from eqstat import realtime
    >>> from eqstat.counts.coincidence import Sensors
    >>> sensors = Sensors.alike(3, rate_per_h=0.5, prior_hours=1000.0)
    >>> scorer = load(realtime.to_bytes(realtime.CoincidenceScorer.init(sensors, frame_s=2.0)))
    >>> scorer.score([True, True, True]).margin
    0.0
    """
    artefact = read(source)
    name = "artefact" if isinstance(source, bytes) else Path(source).name
    if artefact.kind not in KINDS:
        raise ArtefactError(f"{name}: no scorer of kind {artefact.kind!r:.40} here")
    try:
        scorer = KINDS[artefact.kind](artefact)
        scorer.artefact = artefact
        for number, (inputs, expected) in enumerate(artefact.cases):
            difference = disagreement(scorer.score(**inputs), expected)
            if difference:
                raise ArtefactError(f"test vector {number}: {difference}")
    except ArtefactError as error:
        raise ArtefactError(f"{name}: {error}") from None
    except Exception as error:  # noqa: BLE001 whatever is wrong with a file is one line
        raise ArtefactError(f"{name}: cannot be scored ({type(error).__name__})") from None
    return scorer


def disagreement(answer: Answer, expected: Answer) -> str:
    """Say where two answers differ by more than the tolerance; "" where they agree.

    Probabilities agree to 1e-5, other numbers to one part in a thousand.

    Examples
    --------
    >>> disagreement(Answer(margin=1.0), Answer(margin=2.0))
    'margin is 1, expected 2'
    """
    for name, got, wanted in zip(Answer._fields, answer, expected, strict=True):
        a, b = np.atleast_1d(numbers(got)), np.atleast_1d(numbers(wanted))
        if a.size != b.size:
            return f"{name} has {a.size} entries, expected {b.size}"
        a, b = a.reshape(-1), b.reshape(-1)
        allowed = 1e-5 if name.endswith("probability") else 1e-3 * (1 + np.abs(b))
        with np.errstate(all="ignore"):
            same = (np.abs(a - b) <= allowed) | (a == b) | (np.isnan(a) & np.isnan(b))
        if not same.all():
            where = int(np.flatnonzero(~same)[0])
            return f"{name} is {a[where]:.7g}, expected {b[where]:.7g}"
    return ""


def main(arguments: list[str]) -> int:
    """Check artefacts and say in one line each what they are.

    Examples
    --------
    >>> main([])
    0
    """
    failed = 0
    for path in arguments:
        try:
            artefact = load(path).artefact
            about = artefact.card.get("title") or artefact.kind
            sys.stdout.write(
                f"{path}: {artefact.kind}, {about}; {len(artefact.cases)} vectors agree\n"
            )
        except ArtefactError as error:
            sys.stderr.write(f"{error}\n")
            failed = 2
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
