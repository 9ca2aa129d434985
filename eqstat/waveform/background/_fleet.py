"""Prior of a sensor from a fleet: empirical Bayes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaln, logsumexp

from eqstat._core.arrays import FloatArray
from eqstat._core.checks import check_kind, check_range, refuse
from eqstat.waveform.background._learn import SUMS
from eqstat.waveform.background._prior import BackgroundPrior, factors

# Hyperpriors, log-normal: mean and standard deviation of the log.
WEIGHT, SHAPE, SCALE = (-1.0, 2.0), (1.0, 1.0), (-2.0, 2.0)
STRENGTH, FACTOR_SD = (0.0, 1.5), (0.0, 0.7)
FEWEST = 3


def fit_prior(prior: BackgroundPrior, state: FloatArray) -> BackgroundPrior:
    r"""Prior of a new sensor from the states of a fleet, by their marginal likelihood.

    Sensors are exchangeable. Of the noise, the parameters maximise the product over sensors of

    .. math:: \frac{\Gamma(a_n)}{\Gamma(a)} \frac{b^a}{b_n^{a_n}} \sqrt{\frac{w}{w_n}},

    with weak log-normal hyperpriors of w, a and b / a. The mean rate of each level is that of all
    hours of the fleet, with half an exceedance more above the highest level, so that a level which
    no sensor ever exceeded is not taken to be safe. The strength c and the spread of the log-normal
    factor G maximise, with the numbers :math:`m_b` between neighbouring levels and their means
    :math:`\delta_b`,

    .. math:: \prod_d \sum_j p_j \prod_b \frac{\Gamma(c \delta_b + m_{db})}{\Gamma(c \delta_b)}
        \frac{(c / g_j)^{c \delta_b}}{(c / g_j + t_d)^{c \delta_b + m_{db}}},

    with weak log-normal hyperpriors, too.

    Parameters
    ----------
    prior
        With which the states were learned: its levels, half-lives and shaking are kept.
    state
        States of the fleet, (devices, 4 + levels), three sensors at least. Forgetting makes
        their counts those of a shorter time. What fewer sensors tell, noise or exceedances, stays
        as in `prior`.

    Returns
    -------
    BackgroundPrior

    Raises
    ------
    eqstat.InputError
        When the states are not those of three sensors that were heard.

    References
    ----------
    Robbins, H. (1956), An empirical Bayes approach to statistics, Proceedings of the Third Berkeley
    Symposium 1, 157-163. Efron, B. (2010), Large-Scale Inference, Cambridge, chapter 1.

    Examples
    --------
    >>> import jax
    >>> from eqstat.waveform.background import init, learn, simulate, weak_prior
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 7))
    >>> fleet = simulate(jax.random.key(0), prior, devices=30, blocks=240)
    >>> state, _ = learn(prior, init(prior, 30), 30 / 3600, fleet.noise, fleet.top)
    >>> fitted = fit_prior(prior, state)
    >>> bool(fitted.noise_weight > 0)
    True
    """
    check_kind("fit_prior", BackgroundPrior, "see `weak_prior`", prior=prior)
    numbers = np.asarray(state, float)
    shape = (SUMS + len(prior.levels),)
    refuse("fit_prior", (numbers.ndim != 2 or numbers.shape[1:] != shape,
                         f"state must be (devices, {shape[0]}), not {numbers.shape}"))  # fmt: skip
    check_range("fit_prior", state=numbers)
    noise, rate = numbers[numbers[:, 0] > 2], numbers[numbers[:, 3] > 0]
    heard = max(len(noise), len(rate))
    refuse("fit_prior", (heard < FEWEST, f"state: {FEWEST} sensors must be heard, not {heard}"))
    if len(noise) >= FEWEST:
        weight, scatter, scale, shift = _noise(*noise[:, :3].T)
        prior = replace(
            prior,
            noise_mean=float(prior.noise_mean + shift),
            noise_weight=weight,
            noise_shape=scatter,
            noise_scale=scale,
        )
    if len(rate) < FEWEST:
        return prior
    mean = (rate[:, SUMS:].sum(axis=0) + 0.5) / rate[:, 3].sum()
    strength, spread = _rates(mean, rate[:, SUMS:], rate[:, 3])
    factor, share = factors(spread)
    return replace(
        prior,
        mean_per_hour=mean,
        strength_h=strength,
        factor=factor,
        factor_weight=share,
    )


def _noise(n: np.ndarray, first: np.ndarray, second: np.ndarray) -> tuple[float, ...]:
    """Weight, shape and scale of the prior and the shift of its mean."""
    within = np.maximum(second - first**2 / n, 0.0)
    mean = first / n

    def loss(x: np.ndarray) -> float:
        m, (w, a, variance) = x[0], np.exp(x[1:])
        b, total, shape = a * variance, w + n, a + 0.5 * n
        scale = b + 0.5 * (within + w * n / total * (mean - m) ** 2)
        each = gammaln(shape) - gammaln(a) + a * np.log(b) - shape * np.log(scale)
        each = each + 0.5 * np.log(w / total)
        pull = sum(
            ((v - c) / s) ** 2 for v, (c, s) in zip(x[1:], (WEIGHT, SHAPE, SCALE), strict=True)
        )
        return float(0.5 * pull - each.sum())

    start = np.array([mean.mean(), WEIGHT[0], SHAPE[0], np.log(np.mean(within / n) + 1e-6)])
    x = minimize(loss, start, method="L-BFGS-B").x
    w, a, variance = (float(v) for v in np.exp(x[1:]))
    return w, a, a * variance, float(x[0])


def _rates(mean: np.ndarray, number: np.ndarray, hours: np.ndarray) -> tuple[float, float]:
    """Strength of the fleet's tail, and spread of the log factor."""
    parts = np.maximum(-np.diff(number, axis=1, append=0.0), 0.0)
    delta = -np.diff(mean, append=0.0)
    used = delta > 0

    def loss(x: np.ndarray) -> float:
        strength, spread = np.exp(x)
        factor, weight = factors(spread)
        share = strength * delta[used]
        alike = (gammaln(share + parts[:, used]) - gammaln(share)).sum(axis=1)
        before = np.log(strength / factor)
        after = np.log(strength / factor + hours[:, None])
        total = strength * mean[0]
        each = np.log(weight) + total * before - (total + number[:, :1]) * after
        pulls = zip(x, (STRENGTH, FACTOR_SD), strict=True)
        pull = sum(((v - c) / s) ** 2 for v, (c, s) in pulls)
        return float(0.5 * pull - (alike + logsumexp(each, axis=1)).sum())

    start = np.array([STRENGTH[0], FACTOR_SD[0]])
    strength, spread = np.exp(minimize(loss, start, method="L-BFGS-B").x)
    return float(strength), float(spread)
