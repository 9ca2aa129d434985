"""Which devices an earthquake of a magnitude triggers, and how its magnitude follows from them."""

from __future__ import annotations

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from scipy.special import betainc, ndtr

from eqstat._core.arrays import FloatArray
from eqstat._core.checks import check_range, refuse
from eqstat._core.explain import Explained, explained
from eqstat.detectability import DeviceResponse, trigger_probability
from eqstat.ground_motion import GroundMotion, event_design, median, record_sd_at
from eqstat.ground_motion.magnitude import GutenbergRichter

# Apparent magnitudes are ordered by the median shaking at this hypocentral distance and depth, km.
REFERENCE_KM, REFERENCE_DEPTH_KM = 30.0, 10.0
# Spacing of the magnitudes over which the posterior is tabulated, and of the inner table of
# shaking.
MAGNITUDE_STEP = 0.1
INNER = np.linspace(-4.0, 12.0, 801)
# Ends of the cells of the apparent magnitude that are equally wide, beyond the range of magnitudes,
# in standard deviations of the terms that all devices share; the outermost cells have no end.
BEYOND_SD = (1.0, -1.0)
# Width of the bins of the logarithm of peaks, much less than their scatter.
PEAK_BIN = 0.1


def share_edges(count: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Edges of cells of a share that counts tell apart equally well: even in its arcsine."""
    first, last = np.arcsin(np.sqrt([low, high]))
    return np.sin(np.linspace(first, last, count + 1)) ** 2


@explained
class Apparent(NamedTuple):
    """Cells of the apparent magnitude, one for each node of a cause.

    Attributes
    ----------
    magnitude
        Apparent magnitude that stands for the cell, (nodes,).
    low, high
        Ends of the cell; infinite at the outermost, (nodes,).

    Examples
    --------
    >>> cells = Apparent(*(np.array([x]) for x in (5.0, 4.7, 5.3)))
    >>> float(cells.high[0] - cells.low[0])
    0.6
    """

    magnitude: FloatArray
    low: FloatArray
    high: FloatArray


class MagnitudeModel(Explained, eqx.Module):
    r"""Magnitudes of earthquakes: how often they occur, and which devices they trigger.

    A magnitude m has the Gutenberg-Richter density $\propto 10^{-b m}$ between a least and a
    greatest one. A device at hypocentral distance R from a source at depth z reads

    .. math:: \log_{10} Y = \rho(\mu(m', R, z)) + \varepsilon, \qquad
        \mu(m', R_0, z_0) = \mu(m, R_0, z_0) + \eta, \qquad
        \eta \sim \mathcal N(0, \tau^2 + \sigma_s^2),

    with the median $\mu$ of the ground-motion model, the mean reading $\rho$ of the response of
    devices, and the scatter $\varepsilon$ between places and devices. What all devices share, the
    between-event term of standard deviation $\tau$ and the unknown sensitivity of the devices
    ($\sigma_s$), cannot be told from magnitude: together they make an *apparent magnitude* $m'$
    (at a distance $R_0$ of 30 km and a depth $z_0$ of 10 km). The triggers determine $m'$, and

    .. math:: p(m \mid \text{data}) = \int p(m' \mid \text{data})\,
        \frac{p(m)\, p(m' \mid m)}{p(m')}\, dm' .

    A device that is alive and able to notice triggers on P where $q Y$ exceeds the threshold, else
    on S where Y does (`eqstat.detectability.DeviceResponse`). The share of such devices among those
    that are listed is unknown, so that dead devices that stay on the list are allowed for.

    A reported peak has the density of Y given that the device triggered, or, with a probability w,
    that of what people do with their phones; so have the peaks of background triggers.

    Parameters
    ----------
    motion
        Ground-motion model.
    response
        Response of the devices; its shares (`able_share`, `dead_share`) are not used.
    least_magnitude, greatest_magnitude
        Range of magnitudes; the rate of the cause is that of earthquakes within it.
    b_value
        b, at least 0.
    response_log10_sd
        Standard deviation of what is unknown of the sensitivity common to all devices, log10 units
        of the reading, at least 0.
    able_share, able_size
        Mean, in (0, 1), and size of the sample, above 0, that the beta prior of the share of able
        devices is worth.
    peak_window_s
        Time after the trigger for which a device looks for the peak that it reports, s, above 0:
        the peak of a device that P triggered is that of P where S comes later. Infinite by default:
        the peak of the whole record.
    odd_peak_share
        w, in [0, 1).
    handling_log10_mean, handling_log10_sd
        Mean and standard deviation of log10 of peaks (m/s2) that are not by earthquakes. The
        defaults are those of phones before and after the 2016 Borrego Springs earthquake.
    clip_m_s2
        Reading above which a device saturates, m/s2, above 0.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    References
    ----------
    Gutenberg, B. and Richter, C. F. (1944), Frequency of earthquakes in California, Bulletin of the
    Seismological Society of America 34, 185-188, doi:10.1785/BSSA0340040185.

    Examples
    --------
    >>> model = MagnitudeModel(b_value=0.9)
    >>> model.magnitudes[[0, -1]].round(2).tolist()
    [3.05, 8.45]
    """

    motion: GroundMotion = eqx.field(default_factory=GroundMotion)
    response: DeviceResponse = eqx.field(default_factory=DeviceResponse)
    least_magnitude: float = eqx.field(static=True, default=3.0)
    greatest_magnitude: float = eqx.field(static=True, default=8.5)
    b_value: float = eqx.field(static=True, default=1.0)
    response_log10_sd: float = eqx.field(static=True, default=0.15)
    able_share: float = eqx.field(static=True, default=0.6)
    able_size: float = eqx.field(static=True, default=3.0)
    peak_window_s: float = eqx.field(static=True, default=float("inf"))
    odd_peak_share: float = eqx.field(static=True, default=0.1)
    handling_log10_mean: float = eqx.field(static=True, default=-0.3)
    handling_log10_sd: float = eqx.field(static=True, default=0.9)
    clip_m_s2: float = eqx.field(static=True, default=19.6)

    def __check_init__(self) -> None:
        """Raise an error for parameters out of range."""
        owner = "MagnitudeModel"
        check_range(owner, -2, 9, least_magnitude=self.least_magnitude)
        check_range(
            owner, self.least_magnitude + 0.2, 10, greatest_magnitude=self.greatest_magnitude
        )
        check_range(owner, 0, 5, b_value=self.b_value)
        check_range(owner, 0, 2, response_log10_sd=self.response_log10_sd)
        check_range(owner, 0, 1, ends="()", able_share=self.able_share)
        check_range(owner, 0, ends="()", able_size=self.able_size)
        check_range(owner, 0, ends="()", finite=False, clip_m_s2=self.clip_m_s2)
        check_range(owner, 0, ends="(]", finite=False, peak_window_s=self.peak_window_s)
        check_range(owner, 0, 1, ends="[)", odd_peak_share=self.odd_peak_share)
        check_range(owner, handling_log10_mean=self.handling_log10_mean)
        check_range(owner, 1e-3, 10, handling_log10_sd=self.handling_log10_sd)
        refuse(
            owner,
            (
                np.ndim(np.asarray(self.motion.level)) > 0
                or np.ndim(np.asarray(self.response.trigger_m_s2)) > 0,
                "motion and response must be one each, not draws of the parameters",
            ),
        )

    @property
    def magnitudes(self) -> np.ndarray:
        """Middles of the cells of magnitude over which the posterior is tabulated."""
        edges = self.magnitude_edges
        return (edges[1:] + edges[:-1]) / 2

    @property
    def magnitude_edges(self) -> np.ndarray:
        """Edges of these cells, about 0.1 apart."""
        return self.occurrence.edges(MAGNITUDE_STEP)

    @property
    def occurrence(self) -> GutenbergRichter:
        """How often the magnitudes occur."""
        return GutenbergRichter(self.least_magnitude, self.greatest_magnitude, self.b_value)

    def prior(self) -> np.ndarray:
        """Prior probabilities of the cells of magnitude, (magnitudes,)."""
        return -np.diff(self.occurrence.exceeded(self.magnitude_edges))

    def quantile(self, probability: FloatArray) -> np.ndarray:
        """Magnitude that is not exceeded with a prior probability."""
        return self.occurrence.quantile(probability)

    @property
    def shared_sd(self) -> float:
        """Standard deviation of what all devices share, log10 units of acceleration."""
        motion = self.motion
        spread = event_design(motion, 5.0, REFERENCE_KM) * jnp.stack(
            [jnp.asarray(motion.event_sd), jnp.asarray(motion.spreading_sd)]
        )
        sensitivity = self.response_log10_sd / (1 + self.response.amplification_slope)
        return float(
            np.sqrt(np.sum(np.asarray(spread) ** 2) + sensitivity**2 + motion.region_sd**2)
        )

    def strength(self, magnitude: FloatArray) -> np.ndarray:
        """Median log10 PGA (m/s2) at the reference distance; it increases with magnitude."""
        site = self.motion.vs30_log10_mean
        value = median(self.motion, INNER, REFERENCE_KM, REFERENCE_DEPTH_KM, site)
        # A fitted quadratic turns back at great magnitudes, where nothing was recorded.
        value = np.maximum.accumulate(np.asarray(value)) + 1e-3 * INNER
        return np.interp(magnitude, INNER, value)

    def magnitude_of(self, strength: FloatArray) -> np.ndarray:
        """Magnitude of a median log10 PGA (m/s2) at the reference distance."""
        return np.interp(strength, self.strength(INNER), INNER)

    def apparent(self, magnitude: FloatArray, shared: FloatArray) -> np.ndarray:
        """Apparent magnitude of a magnitude with shared terms of this sum, log10 units."""
        return self.magnitude_of(self.strength(magnitude) + shared)

    def cells(self, count: int) -> Apparent:
        """Cells of the apparent magnitude over the prior, equally wide in log10 of shaking."""
        ends = self.strength(np.array([self.least_magnitude, self.greatest_magnitude]))
        beyond = self.magnitude_of(ends + self.shared_sd * np.array([-1, 1]) * BEYOND_SD)
        edges = self.between(beyond[0], beyond[1], count)
        return self.cells_of(np.concatenate([[-np.inf], edges[1:-1], [np.inf]]))

    def between(self, low: float, high: float, count: int) -> np.ndarray:
        """Edges of cells of magnitude that are equally wide in log10 of shaking."""
        first, last = self.strength(np.array([low, high]))
        return self.magnitude_of(np.linspace(first, last, count + 1))

    def cells_of(self, edges: np.ndarray) -> Apparent:
        """Cells of the apparent magnitude between edges; the outermost may be infinite."""
        strength = self.strength(edges)
        inner = np.diff(strength[np.isfinite(edges)])
        half = (inner.mean() if len(inner) else self.shared_sd) / 2
        low = np.where(np.isfinite(edges[:-1]), strength[:-1], strength[1:] - 2 * half)
        high = np.where(np.isfinite(edges[1:]), strength[1:], low + 2 * half)
        return Apparent(self.magnitude_of((low + high) / 2), edges[:-1], edges[1:])

    def given(self, apparent: Apparent) -> tuple[np.ndarray, np.ndarray]:
        """Prior probability of each cell, and of the magnitudes given the cell.

        Returns
        -------
        probability, magnitude
            (cells,), and (cells, magnitudes), each row with the sum 1.
        """
        strength, sd = self.strength(self.magnitudes), self.shared_sd

        def below(edge: np.ndarray) -> np.ndarray:
            at = np.where(np.isinf(edge), edge, self.strength(edge))
            return ndtr((at[:, None] - strength) / max(sd, 1e-6))

        joint = self.prior() * np.maximum(
            below(np.asarray(apparent.high)) - below(np.asarray(apparent.low)), 1e-300
        )
        total = joint.sum(axis=1)
        return total, joint / total[:, None]

    def share_cells(self, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shares of able devices that stand for cells between edges, and their probabilities."""
        a, b = self.able_share * self.able_size, (1 - self.able_share) * self.able_size
        mass = np.diff(betainc(a, b, edges))
        mean = self.able_share * np.diff(betainc(a + 1, b, edges)) / np.maximum(mass, 1e-300)
        return mean, mass

    def log10_shaking(
        self, magnitude: FloatArray, distance_km: FloatArray, depth_km: FloatArray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Median log10 PGA (m/s2) and its scatter between places, of an apparent magnitude.

        Distances are epicentral; shapes broadcast.
        """
        motion = self.motion
        away = np.hypot(distance_km, depth_km)
        value = median(motion, magnitude, away, depth_km, motion.vs30_log10_mean)
        site = motion.station_sd**2 + (motion.vs30_slope * motion.vs30_log10_sd) ** 2
        sd = jnp.sqrt(record_sd_at(motion, jnp.asarray(magnitude)) ** 2 + site)
        return np.asarray(value, np.float64), np.asarray(sd, np.float64)

    def trigger_shares(
        self, magnitude: FloatArray, distance_km: FloatArray, depth_km: FloatArray
    ) -> np.ndarray:
        """Probabilities that an able device triggers on P, and on S if not on P, (2, ...)."""
        pga, sd = self.log10_shaking(magnitude, distance_km, depth_km)
        able = eqx.tree_at(lambda r: (r.able_share, r.dead_share), self.response, (1.0, 0.0))
        return np.stack([np.asarray(p, np.float64) for p in trigger_probability(able, pga, sd)])

    def reading(
        self, magnitude: FloatArray, distance_km: FloatArray, depth_km: FloatArray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of log10 of a device's reading (m/s2)."""
        pga, own = self.log10_shaking(magnitude, distance_km, depth_km)
        response = self.response
        gain = 1 + float(response.amplification_slope)
        sd = gain * np.hypot(own, float(response.log10_sd))
        return np.asarray(response.reading_log10(pga), np.float64), sd

    def peak_bins(self, peak_m_s2: FloatArray) -> tuple[np.ndarray, np.ndarray]:
        """Ends of the bins of log10 of peaks (m/s2): infinite without one or if clipped."""
        peak = np.asarray(peak_m_s2, np.float64)
        known = np.isfinite(peak) & (peak > 0)
        low = np.floor(np.log10(np.where(known, peak, 1.0)) / PEAK_BIN) * PEAK_BIN
        clip = np.floor(np.log10(self.clip_m_s2) / PEAK_BIN) * PEAK_BIN
        low = np.where(known, np.minimum(low, clip), -np.inf)
        high = np.where(known & (low < clip - 1e-9), low + PEAK_BIN, np.inf)
        return low, high
