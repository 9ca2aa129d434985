"""What is known of a sensor's noise and false triggers before it was heard."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import numpy as np
from scipy.stats import norm

from eqstat._core.checks import check_range, refuse
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike

# Values of the factor by which sensors differ: middles of equal steps over three standard
# deviations on either side.
NODES, REACH = 25, 3.0


class BackgroundPrior(Explained, eqx.Module):
    r"""Prior of sensors' noise and false exceedances, and how fast both are forgotten.

    The log noise x of a block has

    .. math:: x \sim \mathcal N(\mu, 1 / \tau), \quad \mu \sim \mathcal N(m, 1 / w \tau), \quad
        \tau \sim \mathrm{Gamma}(a, b),

    and the number of blocks above level l in a time t is Poisson with mean :math:`r_l t`, where
    :math:`r` is a gamma process along the levels, about :math:`G` times the fleet's mean rate
    :math:`\lambda_l`,

    .. math:: r_l - r_{l+1} \sim \mathrm{Gamma}\{c (\lambda_l - \lambda_{l+1}),\; c / G\}
        \text{ independently}, \qquad P(G = g_j) = p_j .

    G says how much noisier than others a sensor is at all levels, c how much the sensors' tails
    differ besides. The posterior is a mixture of gamma distributions, in closed form.

    A block counts once at each level, so that the numbers are not quite Poisson: the lowest level
    must be one that few blocks exceed, a tenth or less. Where more do, the posterior is too wide.

    Attributes
    ----------
    noise_mean
        m: mean over sensors of their mean log noise (natural log; of m/s2, say).
    noise_weight
        w: number of blocks that the prior's mean counts for, above 0.
    noise_shape, noise_scale
        a and b, above 0: variance of the log noise of one sensor is about b / a.
    levels
        Levels of the statistic, ascending, (levels,), two at least.
    mean_per_hour
        :math:`\lambda_l`: mean exceedances an hour over sensors, above 0, never rising, (levels,).
    strength_h
        c: time that the fleet's tail counts for in a sensor of G = 1, h, above 0.
    factor, factor_weight
        :math:`g_j` and :math:`p_j`, above 0, (nodes,).
    noise_half_life_h, half_life_h
        After this time the noise, and the exceedances, that were seen count half, h; infinite
        where nothing is forgotten.
    shaking
        Probability that a block is shaking, no noise, in [0, 1).
    shaking_range
        Range of log shaking above the noise, in which it is taken to be even, above 0.

    Raises
    ------
    eqstat.InputError
        When a number is out of range or levels are not in order.

    References
    ----------
    Ferguson, T. (1973), A Bayesian analysis of some nonparametric problems, Annals of Statistics 1,
    209-230 (independent gamma increments). Lawless, J. (1987), Negative binomial and mixed Poisson
    regression, Canadian Journal of Statistics 15, 209-225.

    Examples
    --------
    >>> weak_prior(np.linspace(0.0, 6.0, 13)).levels.shape
    (13,)
    """

    noise_mean: Any
    noise_weight: Any
    noise_shape: Any
    noise_scale: Any
    levels: Any
    mean_per_hour: Any
    strength_h: Any
    factor: Any
    factor_weight: Any
    noise_half_life_h: Any = 2.0
    half_life_h: Any = 168.0
    shaking: Any = 0.01
    shaking_range: Any = 9.2

    def __check_init__(self) -> None:
        title = "BackgroundPrior"
        check_range(title, noise_mean=self.noise_mean, levels=self.levels)
        for name in ("noise_weight", "noise_shape", "noise_scale", "mean_per_hour", "strength_h",
                     "factor", "factor_weight", "shaking_range"):  # fmt: skip
            check_range(title, 0, ends="()", **{name: getattr(self, name)})
        for name in ("noise_half_life_h", "half_life_h"):
            check_range(title, 0, ends="(]", finite=False, **{name: getattr(self, name)})
        check_range(title, 0, 1, ends="[)", shaking=self.shaking)
        shape = np.shape(self.levels)
        refuse(
            title,
            (len(shape) != 1 or shape[0] < 2, f"levels must be two or more, not {shape}"),
            (np.shape(self.mean_per_hour) != shape, "mean_per_hour must be one for each level"),
            (np.shape(self.factor) != np.shape(self.factor_weight) or np.ndim(self.factor) != 1,
             "factor_weight must be one for each factor"),
        )  # fmt: skip
        if isinstance(self.levels, np.ndarray):
            refuse(title, (not np.all(np.diff(self.levels) > 0), "levels must ascend"))
        if isinstance(self.mean_per_hour, np.ndarray):
            rises = bool(np.any(np.diff(self.mean_per_hour) > 0))
            refuse(title, (rises, "mean_per_hour must not rise with the level"))

    @property
    def model(self) -> dict[str, Any]:
        """Numbers by name, as the functions of `eqstat.edge` take them."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def factors(sd: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of a log-normal factor of mean 1; the standard deviation of its log."""
    z = np.linspace(-REACH, REACH, NODES)
    weight = norm.pdf(z) / norm.pdf(z).sum()
    value = np.exp(sd * z)
    return value / (weight @ value), weight


def weak_prior(
    levels: ArrayLike,
    *,
    noise_mean: float | int = 0.0,
    noise_sd: float | int = 2.0,
    block_sd: float | int = 0.3,
    most_per_hour: float | int = 60.0,
    least_per_hour: float | int = 0.1,
    factor_sd: float | int = 1.5,
    strength_h: float | int = 1.0,
    half_life_h: float | int = 168.0,
    noise_half_life_h: float | int = 2.0,
    shaking: float | int = 0.01,
) -> BackgroundPrior:
    r"""Prior for a sensor of which nothing is known.

    The expected number of exceedances an hour falls exponentially from the lowest level to the
    highest. A fleet (`fit_prior`) says more.

    Parameters
    ----------
    levels
        Levels of the statistic, ascending.
    noise_mean, noise_sd
        Mean of the log noise of sensors, and its standard deviation over sensors.
    block_sd
        Standard deviation of the log noise of blocks of one sensor.
    most_per_hour, least_per_hour
        Expected exceedances an hour at the lowest and the highest level.
    factor_sd
        Standard deviation of the log of the factor G, which is log-normal with mean 1.
    strength_h, half_life_h, noise_half_life_h, shaking
        See `BackgroundPrior`.

    Returns
    -------
    BackgroundPrior

    Raises
    ------
    eqstat.InputError
        When a number is out of range.

    Examples
    --------
    >>> prior = weak_prior(np.linspace(0.0, 6.0, 13), most_per_hour=100.0, least_per_hour=1.0)
    >>> prior.mean_per_hour[[0, 6, 12]].round(1).tolist()
    [100.0, 10.0, 1.0]
    """
    positive: dict[str, Any] = {
        "noise_sd": noise_sd,
        "block_sd": block_sd,
        "most_per_hour": most_per_hour,
        "least_per_hour": least_per_hour,
        "factor_sd": factor_sd,
    }
    check_range("weak_prior", 0, ends="()", **positive)
    check_range("weak_prior", levels=levels)
    given = np.asarray(levels, float)
    refuse("weak_prior", (given.ndim != 1, "levels must be a row of numbers"))
    shape = 1.5
    factor, weight = factors(float(factor_sd))
    return BackgroundPrior(
        noise_mean=float(noise_mean),
        noise_weight=(block_sd / noise_sd) ** 2,
        noise_shape=shape,
        noise_scale=shape * block_sd**2,
        levels=given,
        mean_per_hour=np.geomspace(most_per_hour, least_per_hour, len(given)),
        strength_h=float(strength_h),
        factor=factor,
        factor_weight=weight,
        noise_half_life_h=noise_half_life_h,
        half_life_h=half_life_h,
        shaking=shaking,
    )
