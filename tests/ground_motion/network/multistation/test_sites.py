"""Places that are asked: they answer as a silent station there would, or are named."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.geodesy import great_circle_distance
from eqstat.ground_motion.network.multistation import init_multistation, prepare, sense, team

START = 1.8e9
STATIONS = pd.DataFrame(
    {
        "station": ["a", "b", "c", "d"],
        "latitude": [35.0, 35.1, 35.3, 36.5],
        "longitude": [179.9, -179.9, 179.8, 179.9],
        "elevation_m": [10.0, 2000.0, np.nan, 0.0],
    }
)
REPORTS = pd.DataFrame(
    {
        "event": ["e1", "e1", "e1", "e2"],
        "station": ["b", "a", "c", "d"],
        "time": [START + 4.2, START, START + 9.0, START + 5000.0],
        "pga_m_s2": [0.5, 0.1, 0.2, 1.0],
    }
)
RECORDINGS = prepare(STATIONS, REPORTS, nearest=4)
forward = eqx.filter_jit(lambda network, view: network(view))
SITES = pd.DataFrame({"site": ["c", "hall"], "latitude": [35.3, 35.2], "longitude": [179.8] * 2})


def random_embeddings(network):
    keys = iter(jax.random.split(jax.random.key(1), 3))
    return eqx.tree_at(
        lambda n: (n.early, n.late, n.blend),
        network,
        replace_fn=lambda leaf: jax.random.normal(next(keys), leaf.shape),
    )


@pytest.mark.parametrize("design", [sense, team])
@pytest.mark.slow
def test_a_site_at_a_station_answers_as_that_station_without_its_record(design):
    settings = design(4, width=20, layers=2, heads=2, feed_forward=30, readout=(16,))
    network = random_embeddings(init_multistation(jax.random.key(0), settings))
    views = RECORDINGS.views([11.0], sites=SITES)
    one = jax.tree.map(lambda leaf: leaf[0], views)
    c = RECORDINGS.name[0].tolist().index("c")
    assert bool(one.reporting[c])
    blank = eqx.tree_at(
        lambda v: (v.reporting, v.signal),
        one,
        (one.reporting.at[c].set(False), one.signal.at[c].set(0.0)),
    )
    answer, with_record = forward(network, blank).mean, forward(network, one).mean
    np.testing.assert_allclose(answer[4], answer[c], rtol=2e-5)
    assert float(jnp.abs(answer[5] - answer[4]).max()) > 1e-3
    # With its record the network at the station knows more, and the answer moves.
    assert float(jnp.abs(with_record[c] - answer[c]).max()) > 1e-3


@pytest.mark.slow
def test_asking_changes_no_answer_at_a_station():
    network = random_embeddings(init_multistation(jax.random.key(0), sense(4, width=20, layers=1)))
    plain, asked = RECORDINGS.views([2.0, 5.0]), RECORDINGS.views([2.0, 5.0], sites=SITES)
    before, after = forward(network, plain).mean, forward(network, asked).mean
    np.testing.assert_allclose(before, after[:, :4], rtol=2e-5)


def test_sites_are_in_the_frame_of_each_earthquake():
    views = RECORDINGS.views([2.0, 5.0], sites=SITES)
    assert views.extra_km.shape == (4, 2, 3) and views.base.shape == (4, 6, 2)
    assert views.extra_station.tolist() == [[2, -1]] * 4
    for row, centre in enumerate(np.repeat(RECORDINGS.centre, 2, axis=0)):
        km = great_circle_distance(*centre, SITES["latitude"], SITES["longitude"])
        own = np.hypot(*np.asarray(views.extra_km)[row, :, :2].T)
        np.testing.assert_allclose(own, km, rtol=1e-3)
    np.testing.assert_allclose(views.extra_km[0, 0], RECORDINGS.recording.place_km[0, 2], rtol=1e-5)
    start = pd.to_datetime([START, START + 5000.0], unit="s")
    np.testing.assert_array_equal(RECORDINGS.start_time.astype("M8[s]"), start.to_numpy("M8[s]"))


def test_what_is_not_known_of_a_site_is_said():
    table = RECORDINGS.site_table(SITES.assign(site=["b", None]).iloc[[1]])
    assert table["site"].tolist() == ["0"] and table["known_station"].tolist() == [False]
    near = pd.DataFrame({"site": ["b", "x"], "latitude": [35.1] * 2, "longitude": [180.1] * 2})
    table = RECORDINGS.site_table(near)
    assert table["elevation_m"].tolist() == [2000.0, 0.0]
    assert table["station"].tolist() == [1, -1]
    assert table["nearest_km"].max() < 0.01
    # Numbers are those of the network, of which only a is a station.
    other = prepare(STATIONS, REPORTS, nearest=4, known=["z", "a"])
    assert other.site_table(SITES.assign(site=["c", "z"]))["station"].tolist() == [-1, 0]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"latitude": [35.3, 5.0]}, "within 1000 km"),
        ({"latitude": [179.8] * 2, "longitude": [35.3, 35.2]}, "swapped"),
        ({"latitude": [79.8] * 2, "longitude": [35.3, 35.2]}, "exchanged"),
        ({"latitude": [35.3, np.nan]}, "latitude"),
        ({"longitude": [np.inf, 179.8]}, "longitude"),
        ({"site": ["a", "c"], "latitude": [35.0, 36.5]}, "'c' lies 133 km from the station"),
    ],
)
def test_sites_that_cannot_be_meant_are_named(changed, words):
    with pytest.raises(InputError, match=words):
        RECORDINGS.views([2.0], sites=SITES.assign(**changed))


def test_a_table_of_sites_is_needed():
    with pytest.raises(InputError, match="no rows"):
        RECORDINGS.views([2.0], sites=SITES[:0])
