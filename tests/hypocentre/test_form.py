"""The form of a hypocentre: construction, checks, draws, magnitudes, summaries."""

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat import InputError, exceedance, hypocentre
from eqstat.geodesy import LocalFrame
from eqstat.hypocentre import Axis

FRAME = LocalFrame(-12.0, 179.95)
MEAN = np.array([3.0, -2.0, 18.0, 1.5])
SD = np.array([8.0, 6.0, 4.0, 0.7])


def grid(with_origin_axis=False):
    """A normal on a grid, with the origin time depending on depth: 0.1 s for each km."""
    axes = {
        name: Axis.of_edges(np.linspace(mean - 5 * sd, mean + 5 * sd, 41))
        for name, mean, sd in zip(("east_km", "north_km", "depth_km"), MEAN, SD, strict=False)
    }
    x, y, z = np.meshgrid(*(axis.centres for axis in axes.values()), indexing="ij")
    square = ((x - MEAN[0]) / SD[0]) ** 2 + ((y - MEAN[1]) / SD[1]) ** 2
    mass = np.exp(-0.5 * (square + ((z - MEAN[2]) / SD[2]) ** 2))
    origin = MEAN[3] - 0.1 * (z - MEAN[2])
    if not with_origin_axis:
        return hypocentre.from_grid(
            FRAME, axes, mass, origin_time_s=origin, origin_time_sd_s=np.full(z.shape, 0.5),
            reference_time="2027-01-15T08:00:00",
        )  # fmt: skip
    axes = {name: Axis.of_edges(axis.edges[::2]) for name, axis in axes.items()} | {
        "origin_time_s": Axis.of_edges(np.linspace(-2, 5, 15)),
        "slowness": Axis(np.array([0.98, 1.0, 1.02])),
    }
    small = mass.reshape(20, 2, 20, 2, 20, 2).sum(axis=(1, 3, 5))
    time = np.exp(-0.5 * ((axes["origin_time_s"].centres - MEAN[3]) / SD[3]) ** 2)
    weight = small[..., None, None] * time[:, None] * np.array([0.25, 0.5, 0.25])
    return hypocentre.from_grid(FRAME, axes, weight, reference_time="2027-01-15T08:00:00Z")


def drawn(count=500, **more):
    rng = np.random.default_rng(0)
    rows = {
        "latitude": rng.normal(46.0, 0.05, count),
        "longitude": rng.normal(7.0, 0.05, count),
        "depth_km": rng.uniform(5, 20, count),
        "origin_time_s": rng.normal(0, 1, count),
        **more,
    }
    return hypocentre.from_draws(**rows)


def test_variables_have_units_and_names():
    for made in (grid(), grid(True), drawn(magnitude=np.ones(500), weight=np.ones(500))):
        for name in made.data_vars:
            assert made[name].attrs["long_name"]
        for name in ("latitude", "longitude", "depth_km", "origin_time_s", "weight"):
            assert made[name].attrs["units"]
    assert grid().attrs["reference_time"] == grid(True).attrs["reference_time"]


def test_draws_of_a_grid_are_its_posterior():
    made = grid()
    random = hypocentre.draw(jax.random.key(1), made, 20_000)
    even = hypocentre.resample(made, 4000)
    for draws, tolerance in ((random, 0.03), (even, 0.03)):
        east, north = FRAME.to_local(draws["latitude"], draws["longitude"])
        for values, mean, sd in zip((east, north, draws["depth_km"]), MEAN, SD, strict=False):
            assert float(np.mean(values)) == pytest.approx(mean, abs=3 * tolerance * sd)
            assert float(np.std(values)) == pytest.approx(sd, rel=tolerance)
        origin = draws["origin_time_s"].to_numpy()
        assert origin.std() == pytest.approx(np.hypot(0.5, 0.4), rel=0.03)
        assert np.corrcoef(origin, draws["depth_km"])[0, 1] == pytest.approx(-0.4 / 0.64, abs=0.03)
    again = hypocentre.draw(jax.random.key(1), made, 20_000)
    xr.testing.assert_identical(random, again)


def test_axes_without_width_keep_their_nodes():
    draws = hypocentre.draw(jax.random.key(0), grid(True), 500)
    assert set(np.unique(draws["slowness"])) == {0.98, 1.0, 1.02}
    assert len(np.unique(draws["origin_time_s"])) == 500


def test_a_normal_has_its_moments_exactly():
    covariance = np.diag(SD**2)
    covariance[0, 1] = covariance[1, 0] = 20.0
    made = hypocentre.from_normal(FRAME, MEAN, covariance)
    east, north = FRAME.to_local(made["latitude"], made["longitude"])
    rows = np.stack([east, north, made["depth_km"], made["origin_time_s"]])
    np.testing.assert_allclose(rows.mean(axis=1), MEAN, atol=1e-9)
    np.testing.assert_allclose(np.cov(rows, bias=True), covariance, atol=1e-7)
    held = covariance.copy()
    held[2], held[:, 2] = np.nan, np.nan
    np.testing.assert_allclose(hypocentre.from_normal(FRAME, MEAN, held)["depth_km"], 18.0)
    with pytest.raises(InputError, match="epicentre is not finite"):
        hypocentre.from_normal(FRAME, MEAN, np.full((4, 4), np.nan))


@pytest.mark.parametrize("kind", ["grid", "axis", "normal", "draws"])
def test_a_summary_is_that_of_the_distribution(kind):
    if kind == "normal":
        covariance = np.diag(SD**2)
        covariance[2, 3] = covariance[3, 2] = -0.1 * SD[2] ** 2
        made = hypocentre.from_normal(FRAME, MEAN, covariance)
    else:
        made = grid(kind == "axis")
        made = hypocentre.draw(jax.random.key(2), made, 40_000) if kind == "draws" else made
    table = hypocentre.summary(made, probability=0.8)
    assert table.attrs["interval_probability"] == 0.8
    assert table.attrs["interval_kind"] == ("Wald" if kind == "normal" else "equal-tailed")
    scale = {"depth_km": (MEAN[2], SD[2])}
    scale["origin_time_s"] = (MEAN[3], np.hypot(0.5, 0.4) if kind in ("grid", "draws") else SD[3])
    for name, (mean, sd) in scale.items():
        values = table[name].to_numpy()
        expected = [mean, sd, mean - 1.2816 * sd, mean, mean + 1.2816 * sd]
        np.testing.assert_allclose(values, expected, atol=0.05 * sd)
    place = FRAME.to_geographic(MEAN[0], MEAN[1])
    assert float(table["latitude"][0]) == pytest.approx(float(place[0]), abs=2e-3)
    assert float(table["longitude"][0]) == pytest.approx(float(place[1]), abs=2e-3)
    assert float(table["latitude"][1]) == pytest.approx(SD[1] / 111.195, rel=0.03)
    low, high = (float(table["longitude"].sel(statistic=name)) for name in ("low", "high"))
    assert low > 0 > high  # across the antimeridian
    width = SD[0] / 111.195 / np.cos(np.radians(12))
    assert (high - low) % 360 == pytest.approx(2 * 1.2816 * width, rel=0.04)


def test_trees_of_chains_are_read():
    inner = drawn(120)
    shaped = xr.Dataset(
        {n: (("chain", "draw"), v.to_numpy().reshape(4, 30)) for n, v in inner.data_vars.items()}
    )
    tree = xr.DataTree.from_dict({"/posterior": shaped.assign(shares=("component", [1.0, 2.0]))})
    tree.attrs["reference_time"] = "2027-01-15T08:00:00+00:00"
    made = hypocentre.check(tree)
    assert made.attrs["reference_time"] == "2027-01-15T08:00:00+00:00"
    assert "shares" not in made
    np.testing.assert_array_equal(hypocentre.resample(made)["latitude"], inner["latitude"])


def test_probabilities_of_places_are_draws_with_weights():
    cells = xr.Dataset(
        {"weight": (("x", "z"), [[1.0, 2.0], [3.0, 2.0]])},
        coords={"latitude": ("x", [46.0, 46.1]), "longitude": ("x", [7.0, 7.0]),
                "depth_km": ("z", [5.0, 9.0])},
    )  # fmt: skip
    made = hypocentre.check(cells)
    assert float((made["weight"] * made["depth_km"]).sum()) == pytest.approx(7.0)


def test_magnitudes_scatter_independently_of_the_place():
    made = hypocentre.with_magnitude(drawn(), 5.6, magnitude_sd=0.3, count=1000)
    magnitude = made["magnitude"].to_numpy()
    assert magnitude.mean() == pytest.approx(5.6, abs=0.01)
    assert magnitude.std() == pytest.approx(0.3, abs=0.01)
    for name in ("latitude", "longitude", "depth_km"):
        assert abs(np.corrcoef(made[name], magnitude)[0, 1]) < 0.1
    assert hypocentre.with_magnitude(drawn(1), 5.6, magnitude_sd=0.3).sizes["draw"] == 256
    own = hypocentre.with_magnitude(drawn(), np.linspace(4, 5, 500), count=None)
    np.testing.assert_array_equal(own["magnitude"], np.linspace(4, 5, 500))
    assert hypocentre.with_magnitude(grid(), 5.0).sizes["draw"] == 256
    top = hypocentre.with_magnitude(drawn(1), 9.0, magnitude_sd=0.4, count=512)
    assert float(top["magnitude"].max()) == 10.0


def test_resampling_keeps_weights():
    made = hypocentre.from_draws(np.arange(4.0), np.zeros(4), np.ones(4), weight=[4, 3, 2, 1])
    times = np.bincount(hypocentre.resample(made, 50)["latitude"].to_numpy().astype(int))
    np.testing.assert_array_equal(times, [20, 15, 10, 5])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"latitude": [91.0]}, r"latitude must lie in \[-90, 90\]"),
        ({"depth_km": [7000.0]}, "depth_km"),
        ({"origin_time_s": [np.nan]}, "origin_time_s is not finite"),
        ({"longitude": [0.0, 1.0]}, "longitude has the shape"),
        ({"weight": [0.0]}, "weight must be at least 0"),
        ({"reference_time": "noon"}, "is not a time"),
    ],
)
def test_draws_that_cannot_be_are_refused(change, said):
    given = {"latitude": [0.0], "longitude": [0.0], "depth_km": [5.0], **change}
    with pytest.raises(InputError, match=said):
        hypocentre.from_draws(**given)


def test_datasets_that_are_no_hypocentre_are_refused():
    with pytest.raises(InputError, match="has no depth_km"):
        hypocentre.check(drawn().drop_vars("depth_km"))
    with pytest.raises(InputError, match="without frame_latitude"):
        hypocentre.check(grid().drop_attrs())
    with pytest.raises(InputError, match="3 magnitudes for 500"):
        hypocentre.with_magnitude(drawn(), [5.0, 5.1, 5.2])
    with pytest.raises(InputError, match="magnitude_sd"):
        hypocentre.with_magnitude(drawn(), 5.0, magnitude_sd=-1.0)
    for count in (0, -3):
        with pytest.raises(InputError, match="count"):
            hypocentre.resample(drawn(), count)
    with pytest.raises(InputError, match="no axis depth_km"):
        axis = Axis.of_edges([0.0, 1.0])
        hypocentre.from_grid(FRAME, {"east_km": axis, "north_km": axis}, np.ones((1, 1)))


def test_what_is_given_is_not_changed():
    given = xr.Dataset({"latitude": ("draw", [1.0]), "longitude": ("draw", [190.0]),
                        "depth_km": ("draw", [5.0]), "weight": ("draw", [3.0])})  # fmt: skip
    before = given.copy(deep=True)
    made = hypocentre.check(given)
    xr.testing.assert_identical(given, before)
    assert float(made["longitude"][0]) == -170.0
    one = grid()
    xr.testing.assert_identical(hypocentre.check(one), one)
    moment = pd.Timestamp("2027-01-15T09:00:00+01:00")
    assert drawn(2, reference_time=moment).attrs["reference_time"] == "2027-01-15T08:00:00+00:00"


def chains(shape=(2, 3)):
    """A posterior of chains in which the n-th draw of the m-th has the latitude m.n."""
    rows = np.arange(shape[0])[:, None] + np.arange(shape[1]) / 10
    dims = ("chain", "draw")
    coords = {"chain": np.arange(shape[0]), "draw": np.arange(shape[1])}
    return xr.Dataset({"latitude": (dims, rows), "longitude": (dims, rows + 7),
                       "depth_km": (dims, rows + 8)}, coords=coords)  # fmt: skip


@pytest.mark.parametrize("shape", [(2, 3), (3, 3)])
@pytest.mark.parametrize("turn", [
    lambda m: m.transpose("draw", "chain"),
    lambda m: m.isel(draw=slice(None, None, -1)),
    lambda m: m.isel(chain=[1, 0, 2][: m.sizes["chain"]]).transpose("draw", "chain"),
])  # fmt: skip
def test_magnitudes_are_matched_by_the_names_of_dims(shape, turn):
    posterior = chains(shape)
    magnitude = 5.0 + posterior["latitude"]
    made = hypocentre.with_magnitude(posterior, turn(magnitude))
    np.testing.assert_allclose(made["magnitude"], 5.0 + made["latitude"])
    sources = exceedance.from_posterior(posterior, turn(magnitude))
    np.testing.assert_allclose(sources.magnitude, 5.0 + sources.latitude)
    turned = hypocentre.from_draws(posterior["latitude"], turn(posterior["longitude"]),
                                   posterior["depth_km"])  # fmt: skip
    np.testing.assert_allclose(turned["longitude"], turned["latitude"] + 7)


def test_magnitudes_of_other_dims_or_labels_are_refused():
    posterior = chains()
    magnitude = 5.0 + posterior["latitude"]
    for wrong, text in (
        (magnitude.rename(draw="sample"), "has a dim sample"),
        (magnitude.assign_coords(draw=[5, 6, 7]), "other labels along draw"),
    ):
        with pytest.raises(InputError, match=text):
            hypocentre.with_magnitude(posterior, wrong)
    of_chain = 5.0 + magnitude["chain"]
    made = hypocentre.with_magnitude(posterior, of_chain)
    np.testing.assert_allclose(made["magnitude"], 5.0 + np.floor(made["latitude"]))
