"""How a device responds to shaking: whether it triggers, on which phase, and when."""

from __future__ import annotations

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammainc, ndtr
from jaxtyping import Array, PRNGKeyArray

from eqstat._core.arrays import FloatArray, Number
from eqstat._core.checks import check_fields, check_key, check_kind, check_whole
from eqstat._core.constants import HOUR_S, STANDARD_GRAVITY_M_S2
from eqstat._core.explain import Explained
from eqstat._core.random import generator
from eqstat.ground_motion import GroundMotion, event_design, median, record_sd_at

# The amplification of phones is stated at this acceleration.
AMPLIFICATION_AT_M_S2 = 0.1 * STANDARD_GRAVITY_M_S2


class DeviceResponse(Explained, eqx.Module):
    r"""Parameters of the response of a phone or low-cost sensor to shaking.

    With A the peak ground acceleration (m/s2) at the device and P and S its trigger on either
    phase, the reading Y of the device is

    .. math:: \log_{10} Y = \log_{10} A + a + b \log_{10} \frac{A}{0.1\,g}
        + \varepsilon_a + \varepsilon_d, \quad
        \varepsilon_a \sim \mathcal N(0, \sigma_a^2),\;
        \varepsilon_d \sim \mathcal N(0, \sigma_d^2),

    the amplification by floors and tables, which is greater where shaking is weak, and the
    sensitivity of the device. An active device that is not dead (share $1 - \delta$) and able to
    notice (share c) triggers where Y exceeds $y_0$. The P wave has q times the amplitude of the
    strongest motion: a device that it does not trigger may trigger on S, with the same
    $\varepsilon$. A trigger comes a gamma-distributed delay after its phase. People trigger each
    device at a rate of their own as well.

    Parameters
    ----------
    trigger_m_s2
        $y_0$: reading that triggers, m/s2, above 0. The default, about 0.01 g, is that of
        MyShake's device model (Kong et al., 2020).
    sensitivity_log10_sd
        $\sigma_d$, log10 units, at least 0.
    amplification_log10, amplification_slope
        a, the amplification at 0.1 g, and b, its change per decade of A, above -1. The defaults
        are factors of 1.67 at 0.1 g and 3 at 0.01 g (Finazzi et al., 2025).
    amplification_log10_sd
        $\sigma_a$, log10 units, at least 0.
    able_share
        c, in (0, 1]: share of active devices that can notice.
    dead_share
        $\delta$, in [0, 1): share of devices that are listed as active and never report.
    p_amplitude_ratio
        q, in (0, 1].
    delay_mean_s, delay_sd_s
        Mean and standard deviation of the delay, s, above 0. The defaults are estimates from
        phones in the 2016 Borrego Springs earthquake.
    background_per_hour
        Triggers per active device and hour that are not by earthquakes, at least 0.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    References
    ----------
    Finazzi, F., Cotton, F. and Bossu, R. (2025), Citizens' smartphones unravel earthquake shaking
    in urban areas, Nature Communications 16, doi:10.1038/s41467-025-64543-3.

    Kong, Q., Martin-Short, R. and Allen, R. M. (2020), Toward global earthquake early warning with
    the MyShake smartphone seismic network, Seismological Research Letters 91, 2206-2217,
    doi:10.1785/0220190177.

    Examples
    --------
    >>> round(float(10 ** DeviceResponse().log10_threshold), 3)
    0.023
    """

    trigger_m_s2: Number = 0.1
    sensitivity_log10_sd: Number = 0.3
    amplification_log10: Number = 0.223
    amplification_slope: Number = -0.254
    amplification_log10_sd: Number = 0.2
    able_share: Number = 0.8
    dead_share: Number = 0.0
    p_amplitude_ratio: Number = 0.25
    delay_mean_s: Number = 2.5
    delay_sd_s: Number = 0.8
    background_per_hour: Number = 0.0

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
        check_fields(
            self,
            trigger_m_s2=(1e-6, 1e3),
            sensitivity_log10_sd=(0, 10),
            amplification_log10=(-10, 10),
            amplification_slope=(-0.99, 10),
            amplification_log10_sd=(0, 10),
            able_share=(1e-6, 1),
            dead_share=(0, 1 - 1e-6),
            p_amplitude_ratio=(1e-6, 1),
            delay_mean_s=(1e-3, 1e3),
            delay_sd_s=(1e-3, 1e3),
            background_per_hour=(0, 3600),
        )

    @property
    def log10_threshold(self) -> Array:
        """Log10 of the ground acceleration (m/s2) that triggers half of the able devices."""
        excess = jnp.log10(self.trigger_m_s2) - self.amplification_log10
        at = np.log10(AMPLIFICATION_AT_M_S2)
        return (excess + self.amplification_slope * at) / (1 + self.amplification_slope)

    @property
    def log10_sd(self) -> Array:
        """Scatter of the devices in log10 units of ground acceleration."""
        own = jnp.hypot(self.sensitivity_log10_sd, self.amplification_log10_sd)
        return own / (1 + self.amplification_slope)

    @property
    def reporting_share(self) -> Array:
        """Share of listed devices that are alive and can notice."""
        return jnp.asarray(self.able_share * (1 - self.dead_share))

    def reading_log10(self, log10_pga: FloatArray) -> FloatArray:
        """Log10 of the mean reading (m/s2) at a ground acceleration."""
        decades = log10_pga - np.log10(AMPLIFICATION_AT_M_S2)
        return log10_pga + self.amplification_log10 + self.amplification_slope * decades

    def delay_cdf(self, after_s: FloatArray) -> Array:
        """Probability that the delay after a phase is less than this, s."""
        shape = (self.delay_mean_s / self.delay_sd_s) ** 2
        scale = self.delay_sd_s**2 / self.delay_mean_s
        return gammainc(shape, jnp.maximum(after_s, 0.0) / scale)

    def background_in(self, window_s: Number) -> Array:
        """Probability that people trigger a device that is not dead within a window."""
        return -jnp.expm1(-jnp.asarray(self.background_per_hour * window_s / HOUR_S))


class Shaking(eqx.Module):
    """Shaking of one earthquake at devices, given the ground-motion model.

    Attributes
    ----------
    log10_pga
        Median of log10 PGA (m/s2).
    shared_sd
        Standard deviation of what neighbours have in common, log10 units.
    own_sd
        Standard deviation of what differs from place to place, log10 units.
    """

    log10_pga: Array
    shared_sd: Array
    own_sd: Array


def shaking(
    motion: GroundMotion,
    magnitude: Array,
    distance_km: Array,
    depth_km: Array,
    neighbour_correlation: Array | float,
) -> Shaking:
    r"""Split the scatter of PGA into what the devices of a network share and what they do not.

    Between-event term and the event's own decay are shared by all; of the variance of record
    terms the share $\rho \bar r$, with $\bar r$ the mean correlation of pairs of devices by
    distance (`neighbour_correlation`), is taken as one common term.
    """
    scatter2 = record_sd_at(motion, magnitude) ** 2
    factors = event_design(motion, magnitude, distance_km)
    of_event = (factors[..., 0] * motion.event_sd) ** 2 + (
        factors[..., 1] * motion.spreading_sd
    ) ** 2
    common = motion.correlated_share * neighbour_correlation * scatter2
    site = motion.station_sd**2 + (motion.vs30_slope * motion.vs30_log10_sd) ** 2
    return Shaking(
        median(motion, magnitude, distance_km, depth_km, motion.vs30_log10_mean),
        jnp.sqrt(of_event + common + motion.region_sd**2),
        jnp.sqrt(scatter2 - common + site),
    )


def trigger_probability(
    response: DeviceResponse, log10_pga: FloatArray, own_sd: FloatArray
) -> tuple[Array, Array]:
    r"""Probabilities that a listed device triggers on P, and on S if not on P.

    .. math:: P(\text{P}) = c (1 - \delta)\,
        \Phi\!\left(\frac{\mu + \log_{10} q - \mu_0}{\sigma}\right), \qquad
        P(\text{P or S}) = c (1 - \delta)\, \Phi\!\left(\frac{\mu - \mu_0}{\sigma}\right)

    Parameters
    ----------
    response
        Response of the devices.
    log10_pga
        $\mu$: median of log10 PGA (m/s2), the shared terms included.
    own_sd
        Scatter of PGA between places, log10 units; $\sigma$ adds that of the devices.

    Returns
    -------
    tuple of jax.Array
        Probabilities of the broadcast shape.

    Examples
    --------
    >>> p, s = trigger_probability(DeviceResponse(), jnp.array([-2.5, -0.5]), jnp.array(0.3))
    >>> bool(p[1] > s[1] and s[0] > p[0])
    True
    """
    sd = jnp.hypot(own_sd, response.log10_sd)
    score = (log10_pga - response.log10_threshold) / sd
    by_p = ndtr(score + jnp.log10(response.p_amplitude_ratio) / sd)
    return response.reporting_share * by_p, response.reporting_share * (ndtr(score) - by_p)


class ResponsePrior(Explained, eqx.Module):
    r"""Prior of the response of devices, for what is not known about a network.

    Logarithms of positive parameters are normal about those of `centre`, shares have beta
    distributions with mean as in `centre`.

    Parameters
    ----------
    centre
        Medians, and means of shares.
    trigger_log10_sd
        Standard deviation of log10 of the reading that triggers. The default spans networks: the
        delays of the detections of Bossu et al. (2022) want 0.03 m/s2, half a decade below that of
        MyShake's phones, which is the centre.
    amplification_log10_sd
        Standard deviation of the amplification at 0.1 g, log10 units.
    p_ratio_log10_sd
        Standard deviation of log10 of the amplitude ratio of P.
    delay_log10_sd
        Standard deviation of log10 of the mean delay.
    able_size, dead_size
        Sizes of the samples that the beta distributions are worth, above 0; a share of 0 is known.

    References
    ----------
    Bossu, R., Finazzi, F., Steed, R., Fallou, L. and Bondar, I. (2022), "Shaking in 5 seconds!":
    performance and user appreciation assessment of the Earthquake Network smartphone-based public
    earthquake early warning system, Seismological Research Letters 93, 137-148,
    doi:10.1785/0220210180.

    Examples
    --------
    >>> import jax
    >>> draws = ResponsePrior().draws(jax.random.key(0), 5)
    >>> draws.able_share.shape
    (5,)
    """

    centre: DeviceResponse = eqx.field(default_factory=lambda: DeviceResponse(dead_share=0.1))
    trigger_log10_sd: Number = 0.35
    amplification_log10_sd: Number = 0.1
    p_ratio_log10_sd: Number = 0.1
    delay_log10_sd: Number = 0.1
    able_size: Number = 20.0
    dead_size: Number = 10.0

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
        check_kind("ResponsePrior", DeviceResponse, "use `DeviceResponse(...)`", centre=self.centre)
        spread = {"trigger_log10_sd", "amplification_log10_sd", "p_ratio_log10_sd"}
        check_fields(self, **dict.fromkeys((*spread, "delay_log10_sd"), (0, 10)))
        check_fields(self, able_size=(1e-3, 1e9), dead_size=(1e-3, 1e9))

    def draws(self, key: PRNGKeyArray, count: int) -> DeviceResponse:
        """Draw responses, each field of shape (count,).

        Parameters
        ----------
        key
            JAX random key.
        count
            Number of draws, at least 1.

        Returns
        -------
        DeviceResponse
        """
        check_key("draws", key)
        check_whole("draws", 1, count=count)
        rng = generator(key)

        def scaled(value: Number, sd: Number) -> np.ndarray:
            return np.asarray(value * 10 ** rng.normal(0, sd, count))

        def share(value: Number, size: Number) -> np.ndarray:
            mean = float(value)
            if not 0 < mean < 1:
                return np.full(count, mean)
            return np.clip(rng.beta(mean * size, (1 - mean) * size, count), 1e-4, 1 - 1e-4)

        same = {name: np.full(count, float(value)) for name, value in vars(self.centre).items()}
        centre = self.centre
        delay = scaled(1.0, self.delay_log10_sd)
        return DeviceResponse(
            **same
            | {
                "trigger_m_s2": scaled(centre.trigger_m_s2, self.trigger_log10_sd),
                "amplification_log10": centre.amplification_log10
                + rng.normal(0, self.amplification_log10_sd, count),
                "p_amplitude_ratio": np.minimum(
                    scaled(centre.p_amplitude_ratio, self.p_ratio_log10_sd), 1.0
                ),
                "delay_mean_s": centre.delay_mean_s * delay,
                "delay_sd_s": centre.delay_sd_s * delay,
                "able_share": share(centre.able_share, self.able_size),
                "dead_share": share(centre.dead_share, self.dead_size),
            }
        )
