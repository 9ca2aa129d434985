"""Scorer of detectability: would a device, or the rule of a network, notice this earthquake?"""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri_exp

from eqstat._core.checks import check_probability
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.detectability import (
    DeviceNetwork,
    DeviceResponse,
    Rule,
    miss_probability,
    trigger_probability,
)
from eqstat.edge import LIMITS, Answer, Calibration, detectability, rows
from eqstat.ground_motion import GroundMotion, PointSource
from eqstat.ground_motion.mixture import mean_and_sd
from eqstat.realtime._protocol import Prepared, TableScorer, in_jax, rows_like, structs

DEVICE_AXES = ("depth_km", "magnitude", "distance_km")
NETWORK_AXES = ("latitude", "longitude", "magnitude", "hour")
# Nodes of the table of a single device; distances are interpolated in their logarithm.
DEPTHS_KM = np.array([0.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 700.0])
MAGNITUDES = np.arange(1.0, 9.51, 0.1)
DISTANCES_KM = np.geomspace(1.0, 1000.0, 150)
# Beyond this many standard deviations a chance is as good as 0 or 1.
FAR = 8.0


class DetectabilityScorer(TableScorer):
    """Score the chance that a device, or the rule of a network, notices an earthquake.

    The model fills a table once, which is interpolated linearly on the normal scale. An answer has
    `miss_probability`, and as `margin` the detection probability less the one that is needed.

    Attributes
    ----------
    model
        Arrays of `eqstat.edge.detectability`.
    axes
        Columns, in the order of the table's axes.
    calibration
        Measured error rates, or None.

    Examples
    --------
    >>> from eqstat.realtime import compile
    >>> compiled = compile(DetectabilityScorer.of_device(), buckets=(8,))
    >>> answer = compiled.score(magnitude=[3.0, 7.0], distance_km=30.0, depth_km=10.0)
    >>> (answer.miss_probability > 0.5).tolist()
    [True, False]
    """

    axes: tuple[str, ...] = eqx.field(static=True)
    kind: ClassVar[str] = "detectability"
    units: ClassVar[dict[str, str]] = {
        "latitude": "degrees",
        "longitude": "degrees",
        "distance_km": "km, hypocentral",
        "depth_km": "km, positive down",
        "hour": "h, local",
    }

    @classmethod
    def of_device(
        cls,
        response: DeviceResponse | None = None,
        motion: GroundMotion | PointSource | None = None,
        *,
        needed: float = 0.5,
        calibration: Calibration | None = None,
    ) -> DetectabilityScorer:
        """Make the scorer of a single device.

        Parameters
        ----------
        response
            Response of the device; `DeviceResponse()` by default.
        motion
            Ground motion without draws; `PointSource()` by default. Columns are `magnitude`,
            `distance_km` (hypocentral) and `depth_km`.
        needed
            Detection probability at which the margin is 0.
        calibration
            Measured error rates.
        """
        check_probability("DetectabilityScorer", needed=needed)
        device = DeviceResponse() if response is None else response
        predictor = PointSource() if motion is None else motion
        if not isinstance(predictor, PointSource):
            raise InputError("DetectabilityScorer: motion must be a PointSource")
        depth, magnitude, distance = np.meshgrid(DEPTHS_KM, MAGNITUDES, DISTANCES_KM, indexing="ij")
        with jax.enable_x64(True):
            mixture = predictor(*(jnp.asarray(x) for x in (magnitude, distance, depth, depth)))
            mean, sd = mean_and_sd(mixture)
            share = float(device.reporting_share)
            each = trigger_probability(device, mean, sd)
            chance = np.asarray(each[0] + each[1], np.float64) / share
        nodes = (DEPTHS_KM, MAGNITUDES, np.log(DISTANCES_KM))
        score = ndtri_exp(np.log(np.clip(chance, 1e-300, 1.0)))
        return cls._tabulated(DEVICE_AXES, nodes, score, share, needed, calibration)

    @classmethod
    def of_network(
        cls,
        network: DeviceNetwork,
        rule: Rule,
        latitude: ArrayLike,
        longitude: ArrayLike,
        magnitude: ArrayLike,
        *,
        hour: ArrayLike = (0.0, 12.0),
        needed: float = 0.5,
        calibration: Calibration | None = None,
        **options: Any,
    ) -> DetectabilityScorer:
        """Make the scorer of a network's rule, on a grid of places, magnitudes and hours.

        Parameters
        ----------
        network, rule, options
            As of `eqstat.detectability.miss_probability`.
        latitude, longitude, magnitude, hour
            Nodes, increasing, at least two of each; hours in [0, 24), the day is closed.
        needed, calibration
            As of `of_device`.
        """
        check_probability("DetectabilityScorer", needed=needed)
        nodes = [np.asarray(x, np.float64) for x in (latitude, longitude, magnitude, hour)]
        if any(x.ndim != 1 or len(x) < 2 or np.any(np.diff(x) <= 0) for x in nodes):
            raise InputError("DetectabilityScorer: nodes must increase, at least two of each")
        place = np.meshgrid(*nodes[:2], indexing="ij")
        missed = miss_probability(
            network, rule, place[0].ravel(), place[1].ravel(), nodes[2], hour=nodes[3], **options
        )
        log_miss = np.asarray(missed["log_miss_probability"], np.float64)
        score = -ndtri_exp(np.minimum(log_miss, 0.0)).reshape(tuple(map(len, nodes)))
        nodes[3] = np.append(nodes[3], nodes[3][0] + 24.0)
        score = np.concatenate([score, score[..., :1]], axis=-1)
        return cls._tabulated(NETWORK_AXES, nodes, score, 1.0, needed, calibration)

    @classmethod
    def _tabulated(
        cls,
        axes: tuple[str, ...],
        nodes: Any,
        score: np.ndarray,
        share: float,
        needed: float,
        calibration: Calibration | None,
    ) -> DetectabilityScorer:
        model = {"score": np.clip(score, -FAR, FAR), "share": share, "needed": needed}
        model |= {f"axis.{name}": own for name, own in zip(axes, nodes, strict=True)}
        arrays = {name: np.asarray(value, np.float32) for name, value in model.items()}
        return cls(arrays, axes, calibration=calibration)

    def prepare(self, **columns: Any) -> Prepared:
        """Bring earthquakes, one or rows, into arrays: a column for each of `axes`."""
        return rows_like(*rows(**{name: columns.get(name) for name in self.axes}))

    def score(self, inputs: dict[str, Any]) -> Answer:
        """Score padded rows."""
        return detectability(jnp, self.axes, in_jax(self.model), inputs)

    def shapes(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of a bucket."""
        return structs(size, np.float32, **dict.fromkeys(self.axes, ()))

    def content(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The model's arrays, and its axes."""
        return super().content()[0], {"axes": list(self.axes)}

    @classmethod
    def from_content(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        calibration: Calibration | None,
    ) -> DetectabilityScorer:
        """Make the scorer of an artefact."""
        axes = tuple(map(str, settings["axes"]))
        if not set(axes) <= set(LIMITS):
            raise InputError(f"unknown axes {axes!r:.80}")
        return cls(dict(arrays), axes, calibration=calibration)

    def cases(self) -> list[dict[str, np.ndarray]]:
        """One set of rows: within the table, beyond it, and some that cannot be."""
        rng = np.random.default_rng(0)
        made = {}
        for name in self.axes:
            nodes = np.asarray(self.model[f"axis.{name}"], np.float64)
            values = nodes[0] + rng.uniform(-0.05, 1.05, 64) * (nodes[-1] - nodes[0])
            values = np.exp(values) if name == "distance_km" else values
            made[name] = np.clip(values, *LIMITS[name]).astype(np.float32)
            made[name][-1] = np.nan
        return [made]
