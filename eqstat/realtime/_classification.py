"""Scorer of a detection's trigger times: do they fit an earthquake?"""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaincc
from scipy import special, stats

from eqstat._core.checks import check_probability, check_range
from eqstat._core.errors import InputError
from eqstat.edge import FREEDOM, Answer, Calibration, Status, classification, trigger_rows
from eqstat.realtime._protocol import BUCKETS, Prepared, TableScorer, in_jax, structs
from eqstat.velocity import ConstantVelocity

GOOD = (Status.OK, Status.PARTIAL)
# Scatter of triggers under an earthquake, and of a common cause: median, standard deviation of the
# logarithm, and nodes of it in standard deviations, closer than many triggers determine it.
SCATTER, COMMON = (1.29, 0.3), (0.5, 1.0)
SCATTER_NODES, COMMON_NODES = np.arange(-4.0, 4.01, 0.2), np.arange(-4.0, 4.01, 0.08)


# Points of the integral over hypocentres, of the prior and about the best hypocentre each.
POINTS = 256


def standard_points() -> np.ndarray:
    """Quasi-random standard normals of three dimensions, and factors that make them Student's t."""
    uniform = stats.qmc.Sobol(4, scramble=True, rng=0).random(POINTS)
    normal = stats.norm.ppf(uniform[:, :3])
    factor = np.sqrt(FREEDOM / stats.chi2.ppf(uniform[:, 3:], FREEDOM))
    return np.concatenate([normal, factor], axis=1)


class ClassificationScorer(TableScorer):
    r"""Test whether trigger times fit an earthquake, and weigh the evidence.

    For P and for S the least-squares hypocentre is found, as by `eqstat.traveltime.classify`. An
    answer has `miss_probability`: the probability that triggers of a true earthquake, with
    standard deviation delta, fit as badly as these; `margin`: how far the statistic of the better
    wave is below its critical value; and `earthquake_probability`: that of either wave against
    background, uniform over an interval of unknown start and length, and a cause that reaches all
    devices at one time. The evidence of an earthquake is an integral over hypocentres with normal
    priors, by points of the prior and about the least squares. Triggers of both P and S, or of an
    earthquake among background, fit neither wave; see `eqstat.detection` for these.

    Attributes
    ----------
    model
        Arrays of `eqstat.edge.classification`.
    calibration
        Measured error rates, or None.

    Examples
    --------
    >>> from eqstat.realtime import compile
    >>> compiled = compile(ClassificationScorer.init(), buckets=(8,))
    >>> answer = compiled.score(
    ...     time_s=[9.3, 7.1, 6.2, 8.4, 10.5, 5.0],
    ...     latitude=[46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     longitude=[7.2, 7.3, 7.1, 6.7, 6.8, 7.0])
    >>> answer.margin >= 0, answer.status
    (True, 0)
    """

    kind: ClassVar[str] = "classification"
    by_row: ClassVar[bool] = False
    is_double: ClassVar[bool] = True
    units: ClassVar[dict[str, str]] = {
        "time_s": "s since any epoch",
        "latitude": "degrees",
        "longitude": "degrees",
        "elevation_m": "m",
    }

    @classmethod
    def init(
        cls,
        velocity: ConstantVelocity | None = None,
        *,
        delta_s: float | int = 1.29,
        miss_probability: float = 0.01,
        prior_probability: float = 0.5,
        region_km: float | int = 500.0,
        slope: float | int = 1.0,
        intercept: float | int = 0.0,
        calibration: Calibration | None = None,
    ) -> ClassificationScorer:
        """Make the scorer.

        Parameters
        ----------
        velocity
            Velocities of P and S; those of `ConstantVelocity()` by default.
        delta_s, miss_probability, region_km
            As of `eqstat.traveltime.classify`.
        prior_probability
            Share of earthquakes among such detections.
        slope, intercept
            Recalibration of the log posterior odds, such as of `eqstat.calibration.recalibrate`.
        calibration
            Measured error rates.
        """
        velocity = ConstantVelocity() if velocity is None else velocity
        if not isinstance(velocity, ConstantVelocity):
            raise InputError("ClassificationScorer: velocity must be a ConstantVelocity")
        check_probability("", miss_probability=miss_probability)
        check_probability("", prior_probability=prior_probability)
        check_range("", 0, 5000, ends="(]", region_km=region_km)
        check_range("", 0, 1e3, ends="(]", delta_s=delta_s, slope=slope)
        check_range("", intercept=intercept)
        freedom = np.arange(1.0, BUCKETS[-1] + 1)
        model = {
            "velocity_km_s": [velocity.p_velocity_km_s, velocity.s_velocity_km_s],
            "delta_s": delta_s,
            "region_km": region_km,
            "critical": np.append(0.0, special.chdtri(freedom, miss_probability)),
            "scatter_s": SCATTER[0] * np.exp(SCATTER[1] * SCATTER_NODES),
            "scatter_weight": special.softmax(-0.5 * SCATTER_NODES**2),
            "common_s": COMMON[0] * np.exp(COMMON[1] * COMMON_NODES),
            "common_weight": special.softmax(-0.5 * COMMON_NODES**2),
            "points": standard_points(),
            "lead_s": 10.0,
            "apertures": 4.0,
            "depth_sd_km": 40.0,
            "log_prior_odds": special.logit(prior_probability),
            "slope": slope,
            "intercept": intercept,
        }
        arrays = {name: np.asarray(value, np.float64) for name, value in model.items()}
        return cls(arrays, calibration=calibration)

    def prepare(
        self, time_s: Any, latitude: Any, longitude: Any, elevation_m: Any = 0.0
    ) -> Prepared:
        """Bring the triggers of one detection, (n,) each, into arrays."""
        data, status = trigger_rows(
            BUCKETS[-1], time_s=time_s, latitude=latitude, longitude=longitude,
            elevation_m=elevation_m,
        )  # fmt: skip
        if status not in GOOD:
            return Prepared({}, 0, False, status)
        size = len(data["time_s"])
        return Prepared(data | {"mask": np.ones(size)}, size, False, status)

    def score(self, inputs: dict[str, Any]) -> Answer:
        """Score padded triggers."""

        def tail(statistic: Any, freedom: Any) -> Any:
            return gammaincc(freedom / 2, statistic / 2)

        data = {name: inputs[name] for name in ("place_km", "time_s", "mask")}
        return classification(
            jnp, jax.lax.while_loop, tail, in_jax(self.model), data, inputs["status"]
        )

    def shapes(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of a bucket."""
        made = structs(size, np.float64, place_km=(3,), time_s=(), mask=())
        return made | {"status": jax.ShapeDtypeStruct((), np.int32)}

    def cases(self) -> list[dict[str, np.ndarray]]:
        """Detections: of P, of nothing, with rows that cannot be, and too few."""
        rng = np.random.default_rng(0)
        made = []
        for size, noise_s in ((12, 0.5), (20, 20.0), (30, 1.0), (3, 1.0)):
            latitude, longitude = rng.uniform(-0.4, 0.4, (2, size))
            far = 111.0 * np.hypot(latitude - 0.1, longitude + 0.2)
            time = np.hypot(far, 15.0) / float(self.model["velocity_km_s"][0])
            made.append(
                {
                    "time_s": 1.8e9 + time + rng.normal(0, noise_s, size),
                    "latitude": latitude,
                    "longitude": longitude,
                    "elevation_m": rng.uniform(0, 2000, size),
                }
            )
        made[2]["latitude"][:2] = np.nan, 1e9
        return made
