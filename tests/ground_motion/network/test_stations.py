"""Station terms as a feature: from other events only, and worth having."""

import jax
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.ground_motion import Design, GroundMotion, MotionPosterior, fit, prepare, simulate
from eqstat.ground_motion.mixture import _mixture as mx
from eqstat.ground_motion.network import (
    FEATURES,
    STATION_TERM,
    TrainingOptions,
    add_station_terms,
    cross_fit_station_terms,
    fit_network,
)
from eqstat.ground_motion.network import _stations as stations


def knows(table):
    """A posterior that takes the sum of a station's records for its term."""
    sums = table.groupby("station")["pga_m_s2"].sum()
    one = jax.tree.map(lambda leaf: np.asarray(leaf, float)[None], GroundMotion())
    mean, sd, vs30 = sums.to_numpy()[None], np.ones((1, len(sums))), np.full(len(sums), np.nan)
    return MotionPosterior(
        one, mean, sd, vs30, np.zeros(len(vs30)), tuple(sums.index), ("all",), ()
    )


class Fitted:
    def __init__(self, table):
        self.table = table

    def posterior(self, key, draws):
        return knows(self.table)


def table():
    """Three events; station c has recorded one of them."""
    return pd.DataFrame(
        {
            "event": ["1", "1", "2", "2", "3"],
            "station": ["a", "b", "a", "c", "b"],
            "pga_m_s2": [1.0, 2.0, 4.0, 8.0, 16.0],
            "magnitude": [5.0] * 2 + [6.0] * 2 + [5.5],
            "depth_km": [8.0] * 5,
            "distance_km": [20.0] * 5,
        },
        index=[5, 6, 7, 8, 9],
    )


def test_no_record_says_anything_of_its_own_event(monkeypatch):
    monkeypatch.setattr(stations, "prepare", lambda table, **_: table)
    monkeypatch.setattr(stations, "fit", Fitted)
    given = table()
    out = cross_fit_station_terms(jax.random.key(0), given, folds=3, check_unit=False)
    np.testing.assert_array_equal(out["station_term"], [4.0, 16.0, 1.0, np.nan, 2.0])
    assert list(out.index) == list(given.index)
    assert "station_term" not in given


def test_terms_of_a_posterior_and_of_new_stations():
    out = add_station_terms(table().assign(station=["a", "b", "z", "a", "b"]), knows(table()))
    np.testing.assert_array_equal(out["station_term"], [5.0, 18.0, np.nan, 5.0, 18.0])


def test_what_cannot_be_asked():
    with pytest.raises(InputError, match="no column 'station'"):
        cross_fit_station_terms(
            jax.random.key(0), table().drop(columns="station"), check_unit=False
        )
    with pytest.raises(InputError, match="no column 'station'"):
        add_station_terms(table().drop(columns="station"), knows(table()))
    with pytest.raises(InputError, match="no column 'event'"):
        cross_fit_station_terms(jax.random.key(0), table().drop(columns="event"), check_unit=False)
    unnamed = table().assign(station=["a", None, "a", "c", "b"])
    with pytest.raises(InputError, match="column 'station': missing in 1 rows"):
        cross_fit_station_terms(jax.random.key(0), unnamed, check_unit=False)
    for folds in (1, 4):
        with pytest.raises(InputError, match="2 to 3"):
            cross_fit_station_terms(jax.random.key(0), table(), folds=folds, check_unit=False)


@pytest.mark.long
def test_a_network_gains_by_what_stations_recorded_before():
    motion = GroundMotion(event_sd=0.1, station_sd=0.4, record_sd=0.15)
    everything = simulate(jax.random.key(3), motion, Design(events=80, stations=25)).table
    late = everything["event"].isin(everything["event"].unique()[60:])
    crossed = cross_fit_station_terms(jax.random.key(0), everything[~late])
    options = TrainingOptions(epochs=30)
    plain = fit_network(jax.random.key(1), everything[~late], members=3, options=options)
    knowing = fit_network(
        jax.random.key(1), crossed, features=(*FEATURES, STATION_TERM), members=3, options=options
    )
    posterior = fit(prepare(everything[~late])).posterior(jax.random.key(0))
    test = add_station_terms(everything[late], posterior)
    observed = np.log10(test["pga_m_s2"].to_numpy())

    def crps(learned):
        names = [feature.name for feature in learned.network.features]
        return float(np.mean(mx.crps(learned.network(test[names].to_numpy()), observed)))

    assert crps(knowing) < 0.7 * crps(plain)
    # Told nothing of a station it is nearly as good as one that knows of none, and as true.
    bare = knowing.predictor()(*(test[feature.name].to_numpy() for feature in FEATURES))
    assert float(np.mean(mx.crps(bare, observed))) < 1.2 * crps(plain)
    inside = np.abs(np.asarray(mx.exceedance(bare, observed)) - 0.5) < 0.45
    assert 0.8 < inside.mean() < 0.98
