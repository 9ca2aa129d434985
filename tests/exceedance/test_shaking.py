"""Shaking of sites: the integral over draws, times until S, maps, and every corner of the globe."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from eqstat import InputError
from eqstat.exceedance import Sources, shaking, shaking_map
from eqstat.exceedance._shaking import weighted_quantiles
from eqstat.geodesy import hypocentral_distance, wrap_longitude
from eqstat.ground_motion import PointSource
from eqstat.velocity import load_velocity

MODEL = PointSource()


def draws(latitude, longitude, size=300, seed=0):
    rng = np.random.default_rng(seed)
    return Sources(
        latitude + rng.normal(0, 0.08, size),
        longitude + rng.normal(0, 0.08, size),
        rng.uniform(5, 25, size),
        rng.normal(6.2, 0.3, size),
        rng.normal(0, 0.5, size),
        rng.uniform(0.5, 1.5, size),
    )


def around(latitude, longitude, size=40, seed=1):
    rng = np.random.default_rng(seed)
    north, east = rng.uniform(-0.9, 0.9, (2, size))
    return pd.DataFrame(
        {"latitude": latitude + north, "longitude": wrap_longitude(longitude + east)}
    )


def plain(sources, sites, threshold):
    """Probability by NumPy and SciPy in double precision, draw by draw."""
    away = hypocentral_distance(
        sources.latitude, sources.longitude, sources.depth_km,
        sites["latitude"].to_numpy()[:, None], sites["longitude"].to_numpy()[:, None],
    )  # fmt: skip
    h = 5.0 * np.exp(0.53 * (sources.magnitude - 6.0))
    natural = 3.87 + 1.12 * sources.magnitude - 1.83 * np.log(np.hypot(away, h))
    sd = np.sqrt(0.39**2 + 0.39**2 + 0.552**2)
    tails = stats.norm.sf((np.log(100 * threshold) - natural) / sd)
    return tails @ sources.weight, away


@pytest.mark.parametrize("place", [(46.0, 7.0), (-17.0, 179.9), (0.0, -180.0), (88.9, 40.0)])
def test_probability_is_the_integral_over_draws(place):
    sources, sites = draws(*place), around(*place)
    found = shaking(MODEL, sources, sites, [0.05, 0.5, 5.0])
    for i, threshold in enumerate((0.05, 0.5, 5.0)):
        wanted, away = plain(sources, sites, threshold)
        np.testing.assert_allclose(found["probability"][:, i], wanted, rtol=2e-4, atol=1e-7)
    np.testing.assert_allclose(found["distance_km"], away @ sources.weight, rtol=1e-4)


@pytest.mark.slow
def test_blocks_do_not_show():
    """More sites and draws than one block holds give what each site gives alone."""
    sources, sites = draws(46.0, 7.0, 700), around(46.0, 7.0, 331)
    found = shaking(MODEL, sources, sites, 0.4, least_lead_s=[3.0])
    alone = shaking(MODEL, sources, sites.iloc[[0, 200, 330]], 0.4, least_lead_s=[3.0])
    for name in found:
        np.testing.assert_allclose(found[name][[0, 200, 330]], alone[name], rtol=1e-5)


def test_quantiles_invert_the_probability():
    sources, sites = draws(46.0, 7.0), around(46.0, 7.0, 10)
    found = shaking(MODEL, sources, sites, 0.4, quantile=[0.02, 0.5, 0.98])
    for i, level in enumerate((0.02, 0.5, 0.98)):

        def beyond(log, row, level=level):
            return plain(sources, sites.iloc[[row]], np.exp(log))[0][0] - (1 - level)

        exact = [np.exp(optimize.brentq(beyond, -12, 6, args=(row,))) for row in range(10)]
        np.testing.assert_allclose(found["pga_quantile_m_s2"][:, i], exact, rtol=0.01)


def test_times_until_s():
    sources, sites = draws(46.0, 7.0), around(46.0, 7.0)
    away = plain(sources, sites, 1.0)[1]
    found = shaking(MODEL, sources, sites, 0.4, now_s=4.0, s_travel_time=3.5,
                    quantile=[0.1, 0.9], least_lead_s=[0.0, 5.0])  # fmt: skip
    lead = away / 3.5 + sources.origin_time_s - 4.0
    for name, level in (("lead_time_s", [0.5]), ("lead_time_quantile_s", [0.1, 0.9])):
        wanted = weighted_quantiles(lead, sources.weight, np.array(level))
        np.testing.assert_allclose(np.atleast_2d(found[name].values.T).T, wanted, atol=2e-3)
    assert found.attrs["lead_time_from"] == "now"
    # In time and strong together: each draw counts only while its S is on the way.
    late = found["probability_in_time"]
    assert np.all(late[..., 1] <= late[..., 0] + 1e-6)
    assert np.all(late[..., 0] <= found["probability"] + 1e-6)
    gone = np.flatnonzero((lead < 0).all(axis=1))
    if gone.size:
        assert np.all(late[gone] == 0)
    one = Sources([46.0], [7.0], [10.0], [6.0], [0.0])
    near = pd.DataFrame({"latitude": [46.0], "longitude": [7.0]})
    for now, share in ((2.0, 1.0), (2.5, 0.0)):
        only = shaking(MODEL, one, near, 0.4, now_s=now, least_lead_s=[0.0])
        assert float(only["probability_in_time"][0, 0, 0]) == pytest.approx(
            share * float(only["probability"][0, 0]), rel=1e-5
        )


@pytest.mark.slow
def test_travel_times_of_a_velocity_model():
    model = load_velocity("ak135")
    sources, sites = draws(46.0, 7.0, 20), around(46.0, 7.0, 5)
    found = shaking(
        MODEL, sources, sites, 0.4, s_travel_time=lambda km, z: model.travel_time(km, z)[1]
    )
    straight = shaking(MODEL, sources, sites, 0.4, s_travel_time=3.5)
    assert found.attrs["lead_time_from"] == "origin"
    np.testing.assert_allclose(found["lead_time_s"], straight["lead_time_s"], rtol=0.15)
    with pytest.raises(InputError, match="second of its two waves"):
        shaking(MODEL, sources, sites, 0.4, s_travel_time=model.travel_time)


def test_weighted_quantiles_count_weights():
    values = np.array([[3.0, 1.0, 2.0]])
    found = weighted_quantiles(values, np.array([0.2, 0.5, 0.3]), np.array([0.4, 0.5, 0.6, 0.9]))
    assert found.tolist() == [[1.0, 1.0, 2.0, 3.0]]


def test_a_map_is_its_sites():
    sources = draws(-17.0, 179.9)
    latitude, longitude = np.linspace(-17.5, -16.5, 4), np.linspace(179.2, 180.6, 5)
    vs30 = np.arange(20.0).reshape(4, 5) * 20 + 200

    def by_vs30(magnitude, distance, depth, vs30):
        found = MODEL(magnitude, distance, depth, vs30)
        import equinox as eqx
        import jax.numpy as jnp

        return eqx.tree_at(lambda m: m.mean, found, found.mean - jnp.log10(vs30 / 400)[..., None])

    found = shaking_map(by_vs30, sources, latitude, longitude, [0.2, 1.0], vs30_m_s=vs30)
    assert found["probability"].dims == ("latitude", "longitude", "threshold")
    np.testing.assert_array_equal(found["longitude"], longitude)
    site = pd.DataFrame({"latitude": latitude[[2]], "longitude": longitude[[4]],
                         "vs30_m_s": vs30[2, [4]]})  # fmt: skip
    alone = shaking(by_vs30, sources, site, [0.2, 1.0])
    np.testing.assert_allclose(found["probability"][2, 4], alone["probability"][0], rtol=1e-5)
    np.testing.assert_allclose(found["lead_time_s"][2, 4], alone["lead_time_s"][0], rtol=1e-5)


def test_a_map_runs_across_180_from_either_side():
    source = Sources([-17.0], [-179.9], [10.0], [6.0])
    west = shaking_map(MODEL, source, [-17.0], [-180.5, -179.5], 0.4)
    east = shaking_map(MODEL, source, [-17.0], [179.5, 180.5], 0.4)
    assert west["longitude"].values.tolist() == [-180.5, -179.5]
    np.testing.assert_allclose(west["probability"], east["probability"], rtol=1e-6)


@pytest.mark.parametrize(
    ("axes", "said"), [(([1.0, 1.0], [2.0]), "twice"), (([1.0], [400.0]), "longitude")]
)
def test_axes_that_make_no_map(axes, said):
    with pytest.raises(InputError, match=said):
        shaking_map(MODEL, draws(46, 7, 5), *axes, 0.4)


def test_sites_keep_their_names_and_extra_columns_do_no_harm():
    sites = around(46.0, 7.0, 3).assign(site=["a", None, "c"], note="x")
    found = shaking(MODEL, draws(46.0, 7.0), sites, 0.4)
    assert found["site"].values.tolist() == ["a", "1", "c"]
    assert found["probability"].attrs["units"] == "1"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threshold_m_s2": 98.0}, "in Gal"),
        ({"threshold_m_s2": 0.0}, "above 0"),
        ({"threshold_m_s2": "0.05g"}, "plain numbers"),
        ({"now_s": np.nan}, "seconds after"),
        ({"quantile": [0.5, 0.1]}, "increasing"),
        ({"s_travel_time": -3.0}, "above 0"),
        ({"least_lead_s": [np.nan]}, "least_lead_s"),
        ({"sites": pd.DataFrame({"latitude": [1.0]})}, "longitude"),
        ({"sites": pd.DataFrame({"latitude": [], "longitude": []}, dtype=float)}, "no rows"),
        ({"sites": around(46, 7, 2).assign(vs30_m_s=0.3)}, "vs30_m_s"),
    ],
)
def test_bad_input_is_told(change, said):
    given = {"predictor": MODEL, "sources": draws(46, 7, 5), "sites": around(46, 7, 2)}
    with pytest.raises(InputError, match=said):
        shaking(**{**given, "threshold_m_s2": 0.4, **change})


def test_now_needs_an_origin_time():
    blind = Sources([46.0], [7.0], [10.0], [6.0])
    with pytest.raises(InputError, match="origin time"):
        shaking(MODEL, blind, around(46.0, 7.0, 2), 0.4, now_s=3.0)
