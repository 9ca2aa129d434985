"""Design of simulated regional earthquakes: a region, its network, and what stations send."""

from __future__ import annotations

from dataclasses import dataclass, field

from eqstat._core.checks import check_choice, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat.ground_motion import PointSource
from eqstat.ground_motion.envelope import SITES

GROWTHS = ("ramp", "envelope")


@dataclass(frozen=True)
class Design(Explained):
    """Design of a simulation: a region, its network, its earthquakes and their estimates.

    Attributes
    ----------
    half_width_km
        Stations and epicentres lie in a square of twice this width.
    stations
        Number of stations, which are also the sites.
    magnitude
        Least and greatest, Gutenberg-Richter with `b_value` between.
    depth_km
        Least and greatest, uniform between.
    ground_motion
        The true ground-motion model, which rules may use.
    p_velocity_km_s, s_velocity_km_s, rupture_velocity_km_s
        Velocities of straight rays and of the rupture.
    place_error_km, depth_error_km, magnitude_error
        Standard deviations of the estimates of one station.
    common_magnitude_error
        Standard deviation of the common error of magnitude.
    least_stations
        Stations with a P wave needed for a location.
    draws
        Number of draws of the posterior of the source, at each time.
    growth
        How the shaking of a record grows: "ramp", in two steps after P and after S, or "envelope",
        as `eqstat.ground_motion.envelope` with scattered times.
    site
        Ground of all stations, for envelopes: "rock" or "soil".
    correlated_share, correlation_km
        Share of the variance of record terms that neighbours have in common, in [0, 1], and the
        range at which the correlation has fallen to 5 % of it, as of
        `eqstat.ground_motion.GroundMotion`; 0 for independent records.
    dead_share
        Share of the stations that send nothing in an earthquake, at random, in [0, 1).
    noise_m_s2
        Level of noise of the records; a smaller peak is not reported.

    Raises
    ------
    eqstat.InputError
        When a value is out of its range.

    Examples
    --------
    >>> Design(stations=20, magnitude=(6.0, 7.0)).stations
    20
    """

    half_width_km: float = 120.0
    stations: int = 100
    magnitude: tuple[float, float] = (5.0, 7.6)
    b_value: float = 1.0
    depth_km: tuple[float, float] = (5.0, 25.0)
    ground_motion: PointSource = field(default_factory=PointSource)
    p_velocity_km_s: float = 6.1
    s_velocity_km_s: float = 3.55
    rupture_velocity_km_s: float = 2.8
    place_error_km: float = 20.0
    depth_error_km: float = 15.0
    magnitude_error: float = 0.8
    common_magnitude_error: float = 0.25
    least_stations: int = 4
    draws: int = 64
    growth: str = "ramp"
    site: str = "rock"
    correlated_share: float = 0.0
    correlation_km: float = 20.0
    dead_share: float = 0.0
    noise_m_s2: float = 0.0

    def __post_init__(self) -> None:
        """Check the attributes."""
        for name in ("magnitude", "depth_km"):
            low, high = getattr(self, name)
            if not low < high:
                raise InputError(f"Design: {name} must be two increasing numbers")
        check_whole("Design", 4, stations=self.stations)
        check_whole("Design", 1, self.stations, least_stations=self.least_stations)
        check_whole("Design", 2, draws=self.draws)
        if not 0 < self.s_velocity_km_s < self.p_velocity_km_s:
            raise InputError("Design: S must be slower than P, and both faster than 0")
        check_choice("Design", GROWTHS, growth=self.growth)
        check_choice("Design", SITES, site=self.site)
        names = ("half_width_km", "b_value", "rupture_velocity_km_s")
        check_range("Design", 0, ends="()", **{name: getattr(self, name) for name in names})
        errors = ("place_error_km", "depth_error_km", "magnitude_error", "common_magnitude_error")
        check_range("Design", 0, **{name: getattr(self, name) for name in errors})
        check_range("Design", 0, 1, correlated_share=self.correlated_share)
        check_range("Design", 0, ends="()", correlation_km=self.correlation_km)
        check_range("Design", 0, 1, ends="[)", dead_share=self.dead_share)
        check_range("Design", 0, noise_m_s2=self.noise_m_s2)
