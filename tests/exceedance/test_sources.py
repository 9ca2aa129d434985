"""Draws of the source: from posteriors of every form, resampled, with magnitudes."""

import jax
import numpy as np
import pytest
import xarray as xr

from eqstat import InputError, geodesy
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
    """A grid posterior as the travel-time room writes it, of an isotropic normal about (3, -2)."""
    rng = np.random.default_rng(1)
    east, north = np.linspace(-30, 30, 21), np.linspace(-25, 25, 19)
    depth = np.linspace(2, 40, 15)
    frame = geodesy.LocalFrame(-12.0, -77.0)
    square = ((north + 2) / 8)[:, None, None] ** 2 + ((east - 3) / 8)[:, None] ** 2
    mass = np.exp(-0.5 * (square + ((depth - 18) / 6) ** 2))
    latitude, longitude = frame.to_geographic(*np.meshgrid(east, north))
    drawn = rng.normal([3, -2, 18, 0], [8, 8, 6, 1], (2000, 4)).T
    names = ("east_km", "north_km", "depth_km", "origin_time_s")
    return xr.Dataset(
        {"probability": (("north", "east", "depth"), mass / mass.sum())}
        | {f"drawn_{n}": ("draw", row) for n, row in zip(names, drawn, strict=True)},
        coords={"depth": depth, "latitude": (("north", "east"), latitude),
                "longitude": (("north", "east"), longitude)},
        attrs={"centre_latitude": -12.0, "centre_longitude": -77.0, "reference_time": "2027-01-15"},
    )  # fmt: skip


def test_grid_posterior_gives_its_draws(stored):
    made = from_posterior(stored, 6.0, count=None)
    assert len(made) == stored.sizes["draw"]
    np.testing.assert_array_equal(made.depth_km, stored["drawn_depth_km"])
    np.testing.assert_array_equal(made.origin_time_s, stored["drawn_origin_time_s"])
    frame = geodesy.LocalFrame(stored.attrs["centre_latitude"], stored.attrs["centre_longitude"])
    east, north = frame.to_local(made.latitude, made.longitude)
    np.testing.assert_allclose(east, stored["drawn_east_km"], atol=1e-6)
    np.testing.assert_allclose(north, stored["drawn_north_km"], atol=1e-6)
    assert made.reference_time == stored.attrs["reference_time"]


def test_cells_of_a_grid_come_with_their_probability(stored):
    cells = stored.drop_vars([name for name in stored if str(name).startswith("drawn")])
    made = from_posterior(cells, 6.0, count=None)
    assert made.weight.sum() == pytest.approx(1.0)
    mean = float((stored["probability"] * stored["depth"]).sum() / stored["probability"].sum())
    assert made.weight @ made.depth_km == pytest.approx(mean)
    # Draws and cells are the same posterior; 256 draws of it keep its mean within their error.
    few = from_posterior(cells, 6.0)
    assert len(few) == 256
    sd = np.sqrt(made.weight @ (made.depth_km - mean) ** 2)
    assert few.depth_km.mean() == pytest.approx(mean, abs=3 * sd / 16)


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


def test_a_grid_posterior_that_lost_its_centre_is_told(stored):
    with pytest.raises(InputError, match="centre_latitude"):
        from_posterior(stored.drop_attrs(), 6.0)


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
    with pytest.raises(InputError, match="holds no magnitude"):
        from_posterior(drawn())
    with pytest.raises(InputError, match="3 magnitudes for 500 draws"):
        from_posterior(drawn(), [5.0, 5.1, 5.2])
    with pytest.raises(InputError, match="magnitude_sd"):
        from_posterior(drawn(), 5.0, magnitude_sd=-1.0)
    with pytest.raises(InputError, match="count"):
        from_posterior(drawn(), 5.0, count=0)
    assert jax.config.jax_enable_x64 is False


def test_what_the_detector_located_has_its_origin_time():
    axes = {"north_km": [0.0, 1.0], "east_km": [0.0], "depth_km": [5.0, 9.0], "origin_s": [-3.0]}
    shape = tuple(len(values) for values in axes.values())
    located = xr.Dataset(
        {"probability": (tuple(axes), np.full(shape, 0.25)), "now_s": 100.0},
        coords={
            **axes,
            "latitude": (("north_km", "east_km"), [[46.0], [46.1]]),
            "longitude": (("north_km", "east_km"), [[7.0], [7.0]]),
        },
    )
    made = from_posterior(located, 5.0, count=None)
    np.testing.assert_array_equal(made.origin_time_s, 97.0)
    assert sorted(made.depth_km.tolist()) == [5.0, 5.0, 9.0, 9.0]
