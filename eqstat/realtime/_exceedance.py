"""Scorer of strong shaking at registered sites, marginalised over draws of the source."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from eqstat._core.checks import check_probability, check_range
from eqstat._core.errors import InputError
from eqstat._core.typing import ArrayLike
from eqstat.edge import Answer, Calibration, Status, cartesian, source_rows
from eqstat.exceedance import SourceDraws, exceedances
from eqstat.geodesy import LocalFrame
from eqstat.ground_motion import PointSource, Predictor
from eqstat.realtime._protocol import BUCKETS, Prepared, Scorer, structs
from eqstat.realtime._tabulated import TabulatedPredictor, tabulate_predictor

GOOD = (Status.OK, Status.PARTIAL)
PREDICTORS = {each.__name__: each for each in (PointSource, TabulatedPredictor)}


class ExceedanceScorer(Scorer):
    """Score the probability of strong shaking at registered sites, from draws of the source.

    An answer has `exceedance_probability`, (sites, thresholds), and as `margin` the same less the
    probability at which to act. Draws that cannot be are left out, with status PARTIAL.

    Attributes
    ----------
    predictor
        Ground-motion predictor.
    site_km, vs30_m_s
        Sites about their middle, (sites, 3), and their Vs30, NaN where unknown.
    log10_threshold
        Thresholds, log10 of m/s2.
    action_probability
        Probability from which to act, the ratio of cost to loss.
    centre
        Middle of the sites, degrees.
    calibration
        Measured error rates, or None.

    Examples
    --------
    >>> from eqstat.realtime import compile
    >>> sites = pd.DataFrame({"latitude": [46.0, 47.0], "longitude": [7.0, 7.0]})
    >>> scorer = ExceedanceScorer.init(PointSource(), sites, 0.5, action_probability=0.1)
    >>> compiled = compile(scorer, buckets=(8,))
    >>> answer = compiled.score(latitude=46.0, longitude=7.1, depth_km=8.0, magnitude=6.0)
    >>> (answer.margin[:, 0] >= 0).tolist()
    [True, False]
    """

    predictor: Any
    site_km: Any
    vs30_m_s: Any
    log10_threshold: Any
    action_probability: Any
    centre: tuple[float, float] = eqx.field(static=True)
    kind: ClassVar[str] = "exceedance"
    by_row: ClassVar[bool] = False
    units: ClassVar[dict[str, str]] = {
        "latitude": "degrees",
        "longitude": "degrees",
        "depth_km": "km, positive down",
        "weight": "any",
    }

    @classmethod
    def init(
        cls,
        predictor: Predictor,
        sites: pd.DataFrame,
        threshold_m_s2: ArrayLike,
        *,
        action_probability: float,
        calibration: Calibration | None = None,
    ) -> ExceedanceScorer:
        """Make the scorer of sites.

        Parameters
        ----------
        predictor
            As of `eqstat.exceedance.shaking`.
        sites
            `latitude`, `longitude`, optionally `vs30_m_s`.
        threshold_m_s2
            One or several PGA, m/s2.
        action_probability
            Probability from which to act, in (0, 1).
        calibration
            Measured error rates.
        """
        check_probability("ExceedanceScorer", action_probability=action_probability)
        threshold = np.atleast_1d(np.asarray(threshold_m_s2, np.float64))
        check_range("ExceedanceScorer", 0, 50, ends="(]", threshold_m_s2=threshold)
        missing = {"latitude", "longitude"} - set(sites)
        if missing or not len(sites):
            raise InputError("ExceedanceScorer: sites needs latitude and longitude, and a row")
        latitude, longitude = (np.asarray(sites[n], np.float64) for n in ("latitude", "longitude"))
        frame = LocalFrame.around(latitude, longitude)
        centre = frame.latitude, frame.longitude
        vs30 = sites["vs30_m_s"] if "vs30_m_s" in sites else np.full(len(sites), np.nan)
        return cls(
            predictor,
            cartesian(centre, latitude, longitude, np.zeros(len(sites))).astype(np.float32),
            np.asarray(vs30, np.float32),
            np.log10(threshold).astype(np.float32),
            np.float32(action_probability),
            centre,
            calibration=calibration,
        )

    def tabulated(self) -> ExceedanceScorer:
        """Return the same scorer with its predictor as a table, which an artefact can hold.

        Sites are then of unknown Vs30, and probabilities differ by some thousandths.
        """
        table = tabulate_predictor(self.predictor)
        return dataclasses.replace(self, predictor=table)

    def prepare(
        self, latitude: Any, longitude: Any, depth_km: Any, magnitude: Any, weight: Any = 1.0
    ) -> Prepared:
        """Bring draws of the source, (draws,) each, into arrays."""
        drawn, status = source_rows(
            self.centre, BUCKETS[-1], latitude=latitude, longitude=longitude,
            depth_km=depth_km, magnitude=magnitude, weight=weight,
        )  # fmt: skip
        if status not in GOOD:
            return Prepared({}, 0, False, status)
        return Prepared(drawn, len(drawn["weight"]), False, status)

    def score(self, inputs: dict[str, Any]) -> Answer:
        """Score padded draws; those with weight 0 do not count."""
        drawn = SourceDraws(
            inputs["place_km"], inputs["depth_km"], inputs["magnitude"], jnp.log(inputs["weight"])
        )
        probability = exceedances(
            self.predictor, drawn, self.site_km, self.vs30_m_s, self.log10_threshold
        )
        return Answer(
            exceedance_probability=probability,
            margin=probability - self.action_probability,
            status=inputs["status"],
        )

    def blank(self, status: Status) -> Answer:
        """Answer of a source that cannot be scored."""
        none = np.full((len(self.site_km), len(self.log10_threshold)), np.nan)
        return Answer(exceedance_probability=none, margin=none.copy(), status=int(status))

    def shapes(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of a bucket."""
        made = structs(size, np.float32, place_km=(3,), depth_km=(), magnitude=(), weight=())
        return made | {"status": jax.ShapeDtypeStruct((), np.int32)}

    def content(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Sites, thresholds, and the numbers of the predictor."""
        kind = type(self.predictor).__name__
        if kind not in PREDICTORS:
            raise InputError(
                f"export: a predictor of type {kind} cannot be in an artefact, its table can: "
                "export(scorer.tabulated(), ...)"
            )
        names = ("site_km", "vs30_m_s", "log10_threshold")
        arrays = {name: np.asarray(getattr(self, name)) for name in names}
        for field in dataclasses.fields(self.predictor):
            arrays[f"predictor.{field.name}"] = np.asarray(getattr(self.predictor, field.name))
        settings = {
            "predictor": kind,
            "centre": list(self.centre),
            "action_probability": float(self.action_probability),
        }
        return arrays, settings

    @classmethod
    def from_content(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        calibration: Calibration | None,
    ) -> ExceedanceScorer:
        """Make the scorer of an artefact."""
        if settings["predictor"] not in PREDICTORS:
            raise InputError(f"no predictor {settings['predictor']!r:.40} here")
        numbers: dict[str, Any] = {
            name[10:]: value if value.ndim else float(value)
            for name, value in arrays.items()
            if name.startswith("predictor.")
        }
        latitude, longitude = settings["centre"]
        return cls(
            PREDICTORS[settings["predictor"]](**numbers),
            arrays["site_km"],
            arrays["vs30_m_s"],
            arrays["log10_threshold"],
            np.float32(settings["action_probability"]),
            (float(latitude), float(longitude)),
            calibration=calibration,
        )

    def cases(self) -> list[dict[str, np.ndarray]]:
        """Sources about the sites: one, several with a row that cannot be, and none."""
        rng = np.random.default_rng(0)
        made = []
        for size in (1, 7, 0):
            drawn = {
                "latitude": np.clip(self.centre[0] + rng.normal(0, 0.3, size), -90, 90),
                "longitude": self.centre[1] + rng.normal(0, 0.3, size),
                "depth_km": rng.uniform(5, 40, size),
                "magnitude": rng.uniform(4, 8, size),
                "weight": rng.uniform(0, 1, size),
            }
            if size > 1:
                drawn["magnitude"][0] = np.nan
            made.append(drawn)
        return made
