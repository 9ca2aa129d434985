"""What the stations of a simulated earthquake have recorded so far, as networks read it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from eqstat._core.checks import check_kind, check_range, check_whole
from eqstat._core.errors import InputError
from eqstat._core.explain import Explained
from eqstat._core.typing import ArrayLike
from eqstat.exceedance.alerts import _shaking
from eqstat.exceedance.alerts._scenarios import Scenarios
from eqstat.ground_motion.network import Examples
from eqstat.ground_motion.network.multistation import View


@dataclass(frozen=True)
class StationRecords(Explained):
    """Records of stations at several times: e earthquakes, t times, n stations.

    Attributes
    ----------
    event
        Numbers of the earthquakes among the scenarios, (e,).
    time_s
        Seconds after P reached the first working station, (t,).
    station_km
        East, north and up of each station from that station, (e, n, 3).
    working
        Stations that send what they record, (e, n).
    reporting
        Working stations that P has reached and whose peak is above the noise, (e, t, n).
    since_p_s
        Seconds since P reached each station, negative before, (e, t, n). Only those of reporting
        stations are known to a network.
    peak_m_s2
        Largest acceleration so far of reporting stations, else 0, (e, t, n).
    envelope_m_s2
        Largest acceleration in each of the seconds before the time, the last one ending then, of
        reporting stations, else 0, (e, t, n, seconds).
    log10_pga
        Final PGA, of dead stations too, log10 of m/s2, (e, n).

    Examples
    --------
    See `records`.
    """

    event: np.ndarray
    time_s: np.ndarray
    station_km: np.ndarray
    working: np.ndarray
    reporting: np.ndarray
    since_p_s: np.ndarray
    peak_m_s2: np.ndarray
    envelope_m_s2: np.ndarray
    log10_pga: np.ndarray

    def examples(self) -> Examples:
        """Views of a multistation network and their targets, earthquake by earthquake and time.

        Returns
        -------
        eqstat.ground_motion.network.Examples
            Features: a `View` of e * t rows; targets: the final PGA of all stations.
        """
        events, times, n, samples = self.envelope_m_s2.shape
        rows = events * times
        single = np.float32

        def each(values: np.ndarray) -> np.ndarray:
            return np.repeat(values, times, axis=0)

        views = View.of_stations(
            each(self.station_km).astype(single),
            np.broadcast_to(np.arange(n, dtype=np.int32), (rows, n)),
            each(self.working),
            self.reporting.reshape(rows, n),
            self.envelope_m_s2.reshape(rows, n, samples, 1),
            np.tile(self.time_s, events).astype(single),
        )
        return Examples(views, each(self.log10_pga), each(self.event))


def records(
    scenarios: Scenarios, time_s: ArrayLike, *, seconds: int = _shaking.HISTORY_S
) -> StationRecords:
    r"""Cut the records of all stations at times after P reached the first one.

    The envelope of a second is the largest value of $\sqrt{E_P^2 + E_S^2 + n^2}$ within it, with
    the design's level n of noise.

    Parameters
    ----------
    scenarios
        Earthquakes simulated with `Design(growth="envelope")`. Those in which no station works are
        left out.
    time_s
        Seconds after P at the first working station, at least 0, (t,).
    seconds
        Length of the history, from 1.

    Returns
    -------
    StationRecords
        In single precision.

    Raises
    ------
    eqstat.InputError
        When the growth of the records is a ramp, which has no envelope, or a value is out of range.

    Examples
    --------
    >>> import jax
    >>> from eqstat.exceedance.alerts import Design, simulate
    >>> design = Design(stations=6, growth="envelope", correlated_share=0.4)
    >>> cut = records(simulate(jax.random.key(0), 2, design), [2.0, 10.0])
    >>> cut.envelope_m_s2.shape, cut.reporting.sum(axis=2).tolist()
    ((2, 2, 6, 30), [[2, 4], [1, 1]])
    """
    check_kind("records", Scenarios, "give what `simulate` returns", scenarios=scenarios)
    check_whole("records", 1, seconds=seconds)
    time = np.atleast_1d(np.asarray(time_s, np.float64))
    check_range("records", 0, time_s=time)
    if scenarios.shape is None:
        raise InputError('records: the shaking is a ramp; simulate with Design(growth="envelope")')
    event = np.flatnonzero(np.isfinite(scenarios.first_p_s))
    end = scenarios.first_p_s[event, None] + time
    own = scenarios.working[event]
    since = end[:, :, None] - scenarios.p_arrival_s[event][:, None]
    pga = scenarios.pga_m_s2[event]
    peak = pga[:, None] * np.stack(
        [
            _shaking.share_at(scenarios, at[:, None], number)
            for number, at in zip(event, end, strict=True)
        ]
    )
    reporting = own[:, None] & (since >= 0) & (peak > scenarios.design.noise_m_s2)
    history = np.stack(
        [
            _shaking.seconds(scenarios, int(number), at, seconds)
            for number, at in zip(event, end, strict=True)
        ]
    )
    first = np.argmin(np.where(own, scenarios.p_arrival_s[event], np.inf), axis=1)
    place = scenarios.station_km
    single = np.float32
    return StationRecords(
        event=event,
        time_s=time,
        station_km=(place - place[first][:, None]).astype(single),
        working=own,
        reporting=reporting,
        since_p_s=since.astype(single),
        peak_m_s2=np.where(reporting, peak, 0.0).astype(single),
        envelope_m_s2=np.where(reporting[..., None], history, 0.0).astype(single),
        log10_pga=np.log10(pga).astype(single),
    )
