"""Scorer of the features of a sensor's windows: does its record look like an earthquake?"""

from __future__ import annotations

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from eqstat._core.checks import check_kind
from eqstat.edge import Answer, Calibration, matrix, waveform, waveform_answer
from eqstat.realtime._protocol import Prepared, TableScorer, in_jax, rows_like, structs
from eqstat.waveform.classifier import Classifier

CASES = 24


class WaveformScorer(TableScorer):
    """Score the features of windows by a trained classifier.

    An answer has `earthquake_probability`, at the scorer's prior odds, and as `margin` the log
    likelihood ratio less that which is required. For evidence over time see
    `eqstat.waveform.classifier.step` and `eqstat.edge.Waveform.step`, of the same file.

    Attributes
    ----------
    model
        Arrays of `eqstat.edge.waveform`.
    features
        Names of the features, in order.
    calibration
        Measured error rates, or None.

    Examples
    --------
    >>> from eqstat.realtime import compile
    >>> from eqstat.waveform.classifier import Design, Perceptron, simulate, train
    >>> windows = simulate(jax.random.key(0), Perceptron(0.0, [2.0]), Design(windows=300))
    >>> scorer = WaveformScorer.init(train(jax.random.key(1), windows), prior_odds=0.1)
    >>> answer = compile(scorer, buckets=(8,)).score([1.5])
    >>> answer.status, bool(answer.margin > 0)
    (0, True)
    """

    kind: ClassVar[str] = "waveform"
    features: tuple[str, ...] = eqx.field(static=True, default=())

    @classmethod
    def init(
        cls,
        classifier: Classifier,
        *,
        prior_odds: float | int = 1.0,
        required_ratio: float | int = 1.0,
        calibration: Calibration | None = None,
    ) -> WaveformScorer:
        """Make the scorer of a trained classifier.

        Parameters
        ----------
        classifier
            From `eqstat.waveform.classifier.train`.
        prior_odds
            Odds of an earthquake before the window is seen, above 0.
        required_ratio
            Likelihood ratio from which the margin is positive, above 0.
        calibration
            Measured error rates.
        """
        check_kind("WaveformScorer", Classifier, "see `train`", classifier=classifier)
        arrays = classifier.arrays(prior_odds=prior_odds, required_ratio=required_ratio)
        model = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
        return cls(model, features=classifier.features, calibration=calibration)

    def prepare(self, features: Any) -> Prepared:
        """Bring the features of one window, (features,), or of rows, (n, features), into rows."""
        given, single = matrix(features, len(self.features))
        return rows_like({"features": given}, single)

    def score(self, inputs: dict[str, Any]) -> Answer:
        """Score padded rows."""
        model = in_jax(self.model)
        ratio, _, status = waveform(jnp, model, inputs["features"])
        return waveform_answer(jnp, model, ratio, status)

    def shapes(self, size: int) -> dict[str, jax.ShapeDtypeStruct]:
        """Shapes of a bucket."""
        return structs(size, np.float32, features=(len(self.features),))

    def content(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The model's arrays and the names of the features."""
        return super().content()[0], {"features": list(self.features)}

    @classmethod
    def from_content(
        cls,
        arrays: dict[str, np.ndarray],
        settings: dict[str, Any],
        calibration: Calibration | None,
    ) -> WaveformScorer:
        """Make the scorer of an artefact."""
        features = tuple(settings["features"])
        return cls(dict(arrays), features=features, calibration=calibration)

    def cases(self) -> list[dict[str, np.ndarray]]:
        """Rows about the training data, far from it, and two that cannot be."""
        rng = np.random.default_rng(0)
        model = self.model
        spread = np.linspace(0.3, 6.0, CASES)[:, None]
        z = spread * rng.normal(size=(CASES, len(self.features)))
        values = model["centre"] + model["scale"] * np.clip(z, -20, 20)
        values = np.where(model["logged"] > 0, np.exp(np.clip(values, -30, 30)), values)
        values[-1, 0], values[-2, -1] = np.nan, np.inf
        return [{"features": values.astype(np.float32)}]
