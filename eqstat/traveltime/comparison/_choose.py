"""Which likelihood for triggers: one wave, or a mixture of P, S and background."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import equinox as eqx
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key
from eqstat._core.errors import InputError
from eqstat._core.explain import explained
from eqstat.traveltime._arrays import UNKNOWN, P, S
from eqstat.traveltime._classify import classify
from eqstat.traveltime._data import Observations, as_observations
from eqstat.traveltime._fit import fit
from eqstat.traveltime._parameters import LikelihoodName, Prior
from eqstat.traveltime._report import report
from eqstat.traveltime._results import odd_trigger
from eqstat.traveltime.comparison._compare import EARTHQUAKES, STRONG, Comparison, Wave, compare

# Difference of log-likelihood from which the phases were exchanged, not the times scattered.
EXCHANGED = 10.0


@explained
class Choice(NamedTuple):
    """A likelihood for triggers, and why.

    Attributes
    ----------
    likelihood, wave
        Arguments of `fit`, `grid` and `sample`.
    reason
        A sentence.
    comparison
        The evidence where it was needed.

    Examples
    --------
    See `choose_likelihood`.
    """

    likelihood: LikelihoodName
    wave: Wave | None
    reason: str
    comparison: Comparison | None


def choose_likelihood(
    key: PRNGKeyArray, observations: Observations | pd.DataFrame, *, prior: Prior | None = None
) -> Choice:
    """Choose between one wave and a mixture of P, S and background.

    Triggers whose phases are all known keep the Gaussian likelihood. Otherwise it is taken where
    the test of `classify` accepts a wave at its defaults: P, unless only S is accepted or the
    log-likelihood of S is greater by 3. Where both waves are rejected, or one trigger misses the
    wave of all others, `compare` decides. Known phases that fit very much better the other way
    round are refused.

    Parameters
    ----------
    key
        JAX random key of the comparison.
    observations
        From `prepare(...)`.
    prior
        Priors of the earthquakes that are compared; `Prior()` by default.

    Returns
    -------
    Choice

    Raises
    ------
    eqstat.InputError
        When the labels P and S are exchanged.
    eqstat.inference.InferenceError
        With too few triggers or places.

    Examples
    --------
    >>> import jax
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> observations = traveltime.prepare(table)
    >>> choice = traveltime.comparison.choose_likelihood(jax.random.key(0), observations)
    >>> choice.likelihood, choice.wave
    ('gaussian', 'P')
    """
    check_key("choose_likelihood", key)
    observations = as_observations("choose_likelihood", observations)
    count = len(observations.triggers)
    phases = np.asarray(observations.data.phase)[:count]
    if count and np.all(phases != UNKNOWN):
        _refuse_exchanged(observations)
        return Choice("gaussian", None, "the phases of all triggers are known", None)
    verdict = classify(observations)
    accepted = [wave for wave, test in verdict.models.items() if not test.rejected]
    if accepted:
        variance = {wave: verdict.models[wave].variance_s2 for wave in accepted}
        wave: Wave = "P" if "P" in variance else "S"
        if len(variance) == 2 and 0.5 * count * np.log(variance["P"] / variance["S"]) > STRONG:
            wave = "S"
        located = report(observations.with_wave(wave), verdict.models[wave].fit)
        odd = odd_trigger(located.triggers, located.depth_km)
        if odd is None:
            reason = f"the trigger times fit one wave (chi-square test), taken for {wave}"
            return Choice("gaussian", wave, reason, None)
        what = f"the trigger times fit one wave but for row {odd}, which is off that of the others"
    else:
        what = "the trigger times fit neither P nor S alone"
    comparison = compare(key, observations, prior=Prior() if prior is None else prior)
    likelihood, chosen = EARTHQUAKES[comparison.preferred]
    return Choice(likelihood, chosen, f"{what}; {comparison}", comparison)


def _refuse_exchanged(observations: Observations) -> None:
    """Refuse labels P and S whose exchange raises the log-likelihood by more than chance can."""
    phase = np.asarray(observations.data.phase)
    if not observations.enough or not {P, S} <= set(phase.tolist()):
        return
    other = np.select([phase == P, phase == S], [S, P], phase).astype(phase.dtype)
    exchanged = replace(
        observations, data=eqx.tree_at(lambda data: data.phase, observations.data, other)
    )
    given, turned = (fit(each, throw=False).objective for each in (observations, exchanged))
    if np.isfinite(turned) and not turned > given - EXCHANGED:
        raise InputError(
            "triggers: column 'phase': the labels P and S are exchanged: the other way round the "
            f"log-likelihood is {given - turned:.0f} higher; exchange them, or pass "
            "likelihood='gaussian' (--likelihood gaussian) to keep them"
        )
