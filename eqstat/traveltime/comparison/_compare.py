"""Which model explains the triggers: evidence of three earthquakes and two false detections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Literal

import equinox as eqx
import jax
import numpy as np
import pandas as pd
from jaxtyping import PRNGKeyArray
from scipy import special, stats

from eqstat._core.arrays import FloatArray
from eqstat._core.checks import check_key, check_kind, check_probability
from eqstat._core.explain import Explained
from eqstat.inference import Result
from eqstat.traveltime._arrays import TriggerData
from eqstat.traveltime._data import Observations, as_observations
from eqstat.traveltime._grid import grid
from eqstat.traveltime._grids._posterior import GridPosterior
from eqstat.traveltime._parameters import LikelihoodName, Prior
from eqstat.traveltime._results import failure

Wave = Literal["P", "S"]
EARTHQUAKES: dict[str, tuple[LikelihoodName, Wave | None]] = {
    "gaussian P": ("gaussian", "P"),
    "gaussian S": ("gaussian", "S"),
    "mixture": ("mixture", None),
}
# Log Bayes factor from which evidence is strong (Kass and Raftery 1995, section 3.2).
STRONG = 3.0
# Scatter of triggers about a common cause that reaches all devices at one time, s.
COMMON_SCATTER_S = stats.lognorm(s=1.0, scale=0.5)
# Nodes of log scatter, in its standard deviations, and number of those of the share.
SCATTER_LEVELS, SHARE_NODES = np.arange(-3.75, 4.0, 0.25), 16
# Steps of the common time in units of the scatter, and how far from a trigger they reach.
STEP, REACH = 1 / 3, 4
FEWEST_STEPS, FACTORS = 64, 8
# Shortest interval of background, s.
SHORTEST_S = 1.0
# Half-width of the default region of the epicentre: in apertures of the triggers, and km.
APERTURES, SMALLEST_KM, LARGEST_KM = 4.0, 50.0, 500.0
LEAD_S = 10.0
NO_LEAD_S = 1e-3


@dataclass(frozen=True)
class Comparison(Explained):
    """Log evidence of the models of a detection, and the probability of an earthquake.

    Attributes
    ----------
    log_evidence
        Natural logarithm of the marginal density of the trigger times, one for each model:
        "gaussian P", "gaussian S", "mixture" (earthquakes); "background", "simultaneous"
        (false detections).
    prior_probability
        Probability of an earthquake before the trigger times are looked at.
    posteriors
        Posterior of the hypocentre under each of the earthquakes; that of the mixture, where it is
        preferred, as `grid` gives it, with background in the window only.

    Examples
    --------
    >>> comparison = Comparison({"gaussian P": -20.0, "gaussian S": -25.0, "mixture": -22.0,
    ...                          "background": -30.0, "simultaneous": -28.0}, 0.5)
    >>> comparison.preferred, round(comparison.probability, 4)
    ('gaussian P', 0.9995)
    """

    log_evidence: Mapping[str, float]
    prior_probability: float
    posteriors: Mapping[str, GridPosterior] = field(default_factory=dict, repr=False)

    @property
    def model_probability(self) -> dict[str, float]:
        """Posterior probability of each model; models of one kind are equally likely before."""
        names = list(self.log_evidence)
        true = np.array([name in EARTHQUAKES for name in names])
        chance = self.prior_probability
        prior = np.where(true, chance / true.sum(), (1 - chance) / (~true).sum())
        evidence = np.array([self.log_evidence[name] for name in names])
        posterior = special.softmax(np.log(prior) + evidence)
        return {name: float(value) for name, value in zip(names, posterior, strict=True)}

    @property
    def probability(self) -> float:
        """Posterior probability of an earthquake."""
        return sum(v for name, v in self.model_probability.items() if name in EARTHQUAKES)

    @property
    def preferred(self) -> str:
        """The earthquake with most evidence; one wave unless that for the mixture is strong."""
        one_wave = max(("gaussian P", "gaussian S"), key=self.log_evidence.__getitem__)
        ahead = self.log_evidence["mixture"] - self.log_evidence[one_wave]
        return "mixture" if ahead > STRONG else one_wave

    def __str__(self) -> str:
        evidence = ", ".join(f"{name} {value:.1f}" for name, value in self.log_evidence.items())
        return f"{self.preferred} likelihood chosen by log evidence ({evidence})"

    def summary(self) -> pd.DataFrame:
        """Return `log_evidence` and posterior `probability` of each model."""
        columns = {"log_evidence": self.log_evidence, "probability": self.model_probability}
        return pd.DataFrame({name: pd.Series(dict(one)) for name, one in columns.items()})

    def _facts(self) -> list[tuple[str, str]]:
        chances = self.model_probability
        answer = "earthquake" if self.probability > 0.5 else "false detection"
        chance = f"{self.probability:.3g} of an earthquake ({self.prior_probability:g} before)"
        likely = max(chances, key=chances.__getitem__)
        return [
            ("Verdict", answer),
            ("Probability", f"{chance}; most probable model: {likely}"),
        ]


def _log_triggered(data: TriggerData, prior: Prior) -> float:
    """Log evidence of which devices triggered, where none of the others would do so later."""
    if not data.has_silent:
        return 0.0
    triggered, silent = int(np.sum(data.mask)), int(np.sum(data.silent_mask))
    nodes, weights = special.roots_legendre(200)
    chance = 0.5 * (nodes + 1)
    log_prior = np.asarray(prior.trigger_probability.log_prob(chance), np.float64)
    log_mass = log_prior + triggered * np.log(chance) + silent * np.log1p(-chance)
    return float(np.asarray(special.logsumexp(log_mass, b=0.5 * weights)))


def _log_background(time_s: FloatArray, window_s: tuple[float, float]) -> float:
    r"""Log evidence of times that are uniform over an interval of unknown start and length.

    .. math:: \int_R^T \frac{1}{T} \left|[t_1, t_2] \cap [t_{\max} - L, t_{\min}]\right|
              L^{-k}\, p(L)\, dL, \qquad p(L) \propto 1 / L,

    for $k$ times of range $R$: the start is uniform over the window $[t_1, t_2]$ of length $T$, and
    the interval holds all times.
    """
    begin, end = window_s
    first, last = float(np.min(time_s)), float(np.max(time_s))
    low, high = max(last - first, SHORTEST_S), max(end - begin, 2 * SHORTEST_S)
    if last - first >= high or first <= begin or last - high >= end:
        return -np.inf
    nodes, weights = special.roots_legendre(200)
    # Over log L, where the density of L is constant.
    log_length = 0.5 * (np.log(high) - np.log(low)) * (nodes + 1) + np.log(low)
    weights = 0.5 * (np.log(high) - np.log(low)) * weights
    starts = min(first, end) - np.maximum(last - np.exp(log_length), begin)
    log_length, weights, starts = (x[starts > 0] for x in (log_length, weights, starts))
    log_mass = np.log(starts) - len(time_s) * log_length
    scale = np.log(high) + np.log(np.log(high / SHORTEST_S))
    return float(special.logsumexp(log_mass, b=weights) - scale)


def _log_simultaneous(time_s: FloatArray, sd_s: FloatArray, window_s: tuple[float, float]) -> float:
    r"""Log evidence of a cause that reaches all devices at one time, among background.

    .. math:: \int \prod_i \left[ w\, \mathcal N(t_i; \tau, s^2 + s_i^2) + (1 - w) / T \right]
              p(\tau)\, p(s)\, p(w)\, d\tau\, ds\, dw

    with $w$ uniform on (0, 1), and $\tau$ and the background uniform over the window of length
    $T$. Sums over $\tau$ and $\log s$ are midpoint rules; at common times $\tau$ far from every
    trigger all of them are background.
    """
    begin, end = window_s
    span_s = end - begin
    nodes, weights = special.roots_legendre(SHARE_NODES)
    share, log_weight = 0.5 * (nodes + 1)[:, None], np.log(0.5 * weights)[:, None]
    log_density = stats.norm.logpdf(SCATTER_LEVELS)
    total = []
    for scatter in COMMON_SCATTER_S.ppf(special.ndtr(SCATTER_LEVELS)):
        spread = np.sqrt(scatter**2 + sd_s**2)
        count = int(np.ceil(span_s / min(STEP * scatter, span_s / FEWEST_STEPS)))
        step = span_s / count
        reach = np.ceil(REACH * scatter / step)
        around = np.arange(-reach, reach + 1)
        cells = np.unique(np.floor((time_s - begin) / step)[:, None] + around)
        common = begin + step * (cells[(cells >= 0) & (cells < count)] + 0.5)
        z = (time_s[:, None] - common) / spread[:, None]
        ratios = span_s * np.exp(-0.5 * z**2) / (spread[:, None] * np.sqrt(2 * np.pi))
        values = np.zeros((SHARE_NODES, len(common)))
        # The logarithm of a product of a few factors is cheaper than the sum of theirs.
        for first in range(0, len(ratios), FACTORS):
            factors = (share * ratio + (1 - share) for ratio in ratios[first : first + FACTORS])
            values += np.log(reduce(np.multiply, factors))
        near = np.asarray(special.logsumexp(values + log_weight)) if common.size else -np.inf
        # Elsewhere all are background: the integral of (1 - w)^k over w.
        far = (count - len(common)) / (len(time_s) + 1)
        total.append(np.logaddexp(near, np.log(far) if far else -np.inf) - np.log(count))
    log_chance = log_density - np.log(np.sum(np.exp(log_density)))
    log_mean = float(np.asarray(special.logsumexp(np.array(total) + log_chance)))
    return log_mean - len(time_s) * float(np.log(span_s))


def _widened(observations: Observations, prior: Prior) -> tuple[Observations, Prior]:
    """Observations whose window is longer by the lead of the prior, and the prior without it.

    By default the window follows from the triggers. Background that is uniform over it would have
    been given the range of the data, for which the other models have to pay.
    """
    data, lead_s = observations.data, float(prior.lead_s)
    # The present stays where it is: silent devices and truncation refer to it.
    later = 0.0 if data.truncated or data.has_silent else lead_s
    window_s = np.asarray(data.window_s) + np.array([-lead_s, later])
    wider = replace(observations, data=eqx.tree_at(lambda d: d.window_s, data, window_s))
    inner = eqx.tree_at(lambda p: p.lead_s, prior, min(lead_s, NO_LEAD_S))
    return wider, inner


def compare(
    key: PRNGKeyArray,
    observations: Observations | pd.DataFrame,
    *,
    prior: Prior | None = None,
    prior_probability: float = 0.5,
) -> Comparison:
    r"""Compare models of a detection by their evidence.

    Each model $m$ has the evidence $Z_m = \int p(t \mid \theta, m)\, p(\theta \mid m)\, d\theta$.
    Three are earthquakes: the Gaussian likelihood of P, that of S, and the mixture of P, S and
    background; their integrals are those of `grid`, by cells and by sequential Monte Carlo. Two
    are false detections: background, uniform over an interval of unknown start and length, and a
    cause that reaches all devices at one time, such as a message of a server, among background.
    Background may come before and after the window, by the lead of the prior, since the window
    mostly follows from the triggers. With the prior probability $\pi$, shared equally by the
    models of a kind,

    .. math:: P(\text{earthquake} \mid t) = \frac{\pi\, \overline{Z}_{\text{earthquake}}}
              {\pi\, \overline{Z}_{\text{earthquake}} + (1 - \pi)\, \overline{Z}_{\text{false}}}.

    The probability is that of these models: of fronts that are no earthquake, such as a power
    cut that spreads, it knows nothing (see `eqstat.detection` for more causes).

    Parameters
    ----------
    key
        JAX random key of the mixture's particles.
    observations
        From `prepare(...)`.
    prior
        Priors of the earthquakes. By default the epicentre is within four apertures of the
        triggers (50 to 500 km), since a network detects what is near it: a region ten times as
        wide costs an earthquake a factor of a hundred.
    prior_probability
        Share of earthquakes among such detections, in (0, 1).

    Returns
    -------
    Comparison

    Raises
    ------
    eqstat.inference.InferenceError
        With too few triggers or places, or where nothing finite comes out.

    References
    ----------
    Kass, R. E. and Raftery, A. E. (1995), Bayes factors, JASA 90, 773-795,
    doi:10.1080/01621459.1995.10476572.

    Examples
    --------
    >>> import pandas as pd
    >>> from eqstat import traveltime
    >>> table = pd.DataFrame({
    ...     "time": pd.to_datetime([9.3, 7.1, 6.2, 8.4, 10.5, 5.0], unit="s", utc=True),
    ...     "latitude": [46.3, 46.1, 45.9, 46.2, 45.6, 46.0],
    ...     "longitude": [7.2, 7.3, 7.1, 6.7, 6.8, 7.0]})
    >>> import jax
    >>> observations = traveltime.prepare(table)
    >>> comparison = traveltime.comparison.compare(jax.random.key(0), observations)
    >>> comparison.preferred, 0 < comparison.probability < 1
    ('gaussian P', True)
    """
    check_key("compare", key)
    observations = as_observations("compare", observations)
    check_probability("compare", prior_probability=prior_probability)
    count = len(observations.triggers)
    if not observations.enough:
        raise failure(Result.TOO_FEW, observations.usage)
    if prior is None:
        region_km = np.clip(APERTURES * observations.aperture_km, SMALLEST_KM, LARGEST_KM)
        prior = Prior(region_km=float(region_km), lead_s=LEAD_S)
    check_kind("compare", Prior, "use `Prior(...)`", prior=prior)
    widened, inner = _widened(observations, prior)
    posteriors = {
        name: grid(widened, likelihood=likelihood, wave=wave, prior=inner, key=key)
        for name, (likelihood, wave) in EARTHQUAKES.items()
    }
    evidence = {name: posterior.log_evidence for name, posterior in posteriors.items()}
    data = jax.tree.map(np.asarray, widened.data)
    time_s = np.asarray(data.time_s, np.float64)[:count]
    sd_s = np.asarray(data.time_sd_s, np.float64)[:count]
    window_s = float(data.window_s[0]), float(data.window_s[1])
    which = _log_triggered(data, prior)
    evidence["background"] = which + _log_background(time_s, window_s)
    evidence["simultaneous"] = which + _log_simultaneous(time_s, sd_s, window_s)
    comparison = Comparison(evidence, prior_probability, posteriors)
    if comparison.preferred == "mixture":
        # The longer window makes the evidence fair, but a place in which P, S and few background
        # triggers explain much is then preferred to the true one with much background.
        own = grid(observations, likelihood="mixture", prior=prior, key=key)
        comparison = replace(comparison, posteriors={**posteriors, "mixture": own})
    return comparison
