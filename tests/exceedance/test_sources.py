"""Draws of the source: from posteriors of every form, resampled, with magnitudes."""

import jax
import numpy as np
import pytest
import xarray as xr

from eqstat import InputError, geodesy, hypocentre
from eqstat.exceedance import Sources, from_posterior


def drawn(size=500, longitude=7.0, **more):
    rng = np.random.default_rng(0)
    rows = {
        "latitude": rng.normal(46.0, 0.05, size),
        "longitude": rng.normal(longitude, 0.05, size),
        "depth_km": rng.uniform(5, 20, size),
        "origin_time_s": rng.normal(0, 1, size),
        **more,
    }
    return xr.Dataset({name: ("draw", row) for name, row in rows.items()})


@pytest.fixture(scope="module")
def stored():
    """A grid posterior of an isotropic normal about (3, -2)."""
    east, north, depth = (
        hypocentre.Axis.of_edges(np.linspace(low, high, count + 1))
        for low, high, count in ((-30, 30, 21), (-25, 25, 19), (2, 40, 15))
    )
    square = ((north.centres + 2) / 8)[:, None] ** 2 + ((east.centres - 3) / 8)[:, None, None] ** 2
    mass = np.exp(-0.5 * (square + ((depth.centres - 18) / 6) ** 2))
    return hypocentre.from_grid(
        geodesy.LocalFrame(-12.0, -77.0),
        {"east_km": east, "north_km": north, "depth_km": depth},
        mass,
        reference_time="2027-01-15",
    )


def test_grids_give_even_draws_of_their_cells(stored):
    made = from_posterior(stored, 6.0)
    assert len(made) == 256
    np.testing.assert_allclose(made.weight, 1 / 256)
    table = hypocentre.summary(stored)["depth_km"]
    mean, sd = (float(table.sel(statistic=name)) for name in ("mean", "sd"))
    assert made.depth_km.mean() == pytest.approx(mean, abs=3 * sd / 16)
    assert made.depth_km.std() == pytest.approx(sd, rel=0.1)
    assert made.reference_time == "2027-01-15T00:00:00+00:00"


def test_normals_do_not_reach_above_ground():
    frame = geodesy.LocalFrame(46.0, 7.0)
    normal = hypocentre.from_normal(frame, [0, 0, 5, 0], np.diag([1, 1, 100, 1.0]))
    made = from_posterior(normal, 5.0, count=None)
    assert made.depth_km.min() == 0.0


def test_trees_of_chains_are_read():
    inner = drawn(120)
    shaped = xr.Dataset({n: (("chain", "draw"), v.values.reshape(4, 30)) for n, v in inner.items()})
    tree = xr.DataTree.from_dict({"/posterior": shaped})
    tree.attrs["reference_time"] = "2027-01-15T08:00:00+00:00"
    made = from_posterior(tree, np.linspace(5, 6, 120), count=None)
    np.testing.assert_array_equal(made.latitude, inner["latitude"])
    np.testing.assert_array_equal(made.magnitude, np.linspace(5, 6, 120))
    assert made.reference_time == "2027-01-15T08:00:00+00:00"


def test_magnitudes_scatter_as_told_and_belong_to_no_place():
    made = from_posterior(drawn(), 5.6, magnitude_sd=0.3, count=1000)
    assert made.magnitude.mean() == pytest.approx(5.6, abs=0.01)
    assert made.magnitude.std() == pytest.approx(0.3, abs=0.01)
    for row in (made.latitude, made.longitude, made.depth_km):
        assert abs(np.corrcoef(row, made.magnitude)[0, 1]) < 0.1
    one = from_posterior(drawn(1), 5.6, magnitude_sd=0.3)
    assert len(one) == 256
    own = from_posterior(drawn(magnitude=np.linspace(4, 5, 500)), count=None)
    np.testing.assert_array_equal(own.magnitude, np.linspace(4, 5, 500))


def test_the_greatest_earthquakes_may_be_uncertain_too():
    one = xr.Dataset({name: ("draw", [8.0]) for name in ("latitude", "longitude", "depth_km")})
    made = from_posterior(one, 9.0, magnitude_sd=0.4, count=512)
    assert made.magnitude.max() == 10.0
    assert abs(np.median(made.magnitude) - 9.0) < 0.02


def test_resampling_keeps_weights():
    made = Sources(np.arange(4.0), np.zeros(4), np.ones(4), np.full(4, 6.0), weight=[4, 3, 2, 1])
    times = np.bincount(made.resampled(50).latitude.astype(int))
    np.testing.assert_array_equal(times, [20, 15, 10, 5])


def test_best_is_the_mean_across_the_antimeridian():
    two = Sources([10.0, 10.0], [179.8, -179.4], [8.0, 12.0], [5.0, 6.0], [1.0, 3.0])
    best = two.best()
    assert float(best.longitude[0]) == pytest.approx(-179.8, abs=1e-6)
    assert (best.depth_km[0], best.magnitude[0], best.origin_time_s[0]) == (10.0, 5.5, 2.0)
    assert len(best) == 1
    pole = Sources([89.9, 89.9], [0.0, 180.0], [5.0, 5.0], [5.0, 5.0]).best()
    assert float(pole.latitude[0]) == pytest.approx(90.0, abs=1e-6)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (([91.0], [0.0], [5.0], [5.0]), r"latitude must lie in \[-90, 90\]"),
        (([0.0], [0.0], [5000.0], [5.0]), "depth_km must lie in"),
        (([0.0], [0.0], [5.0], [np.nan]), "magnitude is not finite"),
        (([0.0, 1.0], [0.0], [5.0, 5.0], [5.0, 5.0]), "longitude must be a row of 2"),
        (([0.0], [0.0], [5.0], [5.0], None, [0.0]), "weight must be at least 0"),
        (([], [], [], []), "row of some numbers"),
    ],
)
def test_rows_that_cannot_be_are_refused(rows, said):
    with pytest.raises(InputError, match=said):
        Sources(*rows)


def test_posteriors_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="has no depth"):
        from_posterior(drawn().drop_vars("depth_km"), 5.0)
    with pytest.raises(InputError, match="has no magnitude"):
        from_posterior(drawn())
    with pytest.raises(InputError, match="3 magnitudes for 500 draws"):
        from_posterior(drawn(), [5.0, 5.1, 5.2])
    with pytest.raises(InputError, match="magnitude_sd"):
        from_posterior(drawn(), 5.0, magnitude_sd=-1.0)
    with pytest.raises(InputError, match="count"):
        from_posterior(drawn(), 5.0, count=0)
    assert jax.config.jax_enable_x64 is False
