"""`eqstat exceed`: from a posterior and sites to probabilities; one line for bad input."""

import json

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat.cli._exceed import acceleration
from eqstat.exceedance import from_posterior, shaking
from eqstat.geodesy import LocalFrame
from eqstat.ground_motion import GroundMotion, MotionPosterior, PointSource, load, save
from eqstat.ground_motion.network import FEATURES, Network
from eqstat.ground_motion.network._features import Scaling
from eqstat.ground_motion.network._network import init_member
from eqstat.ground_motion.network._trend import trend_prior
from eqstat.velocity import ConstantVelocity

from .shell import ZERO, quake, refused, shell
from .test_schema import checked


def grid_posterior():
    """A file of the form that `eqstat locate --posterior` writes, of a normal hypocentre."""
    rng = np.random.default_rng(1)
    east, north, depth, origin = rng.normal([3, -2, 25, 0], [6, 6, 5, 0.8], (2000, 4)).T
    latitude, longitude = LocalFrame(-12.06, -77.0).to_geographic(east, north)
    columns = {"latitude": latitude, "longitude": longitude, "depth_km": depth,
               "origin_time_s": origin}  # fmt: skip
    return xr.Dataset(
        {name: ("draw", values) for name, values in columns.items()},
        attrs={"reference_time": ZERO.isoformat()},
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A posterior and a table of sites."""
    path = tmp_path_factory.mktemp("exceed")
    grid_posterior().to_netcdf(path / "posterior.nc", engine="h5netcdf")
    rng = np.random.default_rng(0)
    sites = pd.DataFrame(
        {
            "name": [f"site {i}" for i in range(25)],
            "lat": -12.06 + rng.uniform(-0.5, 0.5, 25),
            "lon": -77.0 + rng.uniform(-0.5, 0.5, 25),
        }
    )
    sites.to_csv(path / "sites.csv", index=False)
    return path


@pytest.mark.long
def test_what_locate_writes_is_read(capsys, folder, tmp_path):
    """The whole way: thirty triggers, their location, the shaking of sites."""
    quake(30).to_csv(tmp_path / "triggers.csv", index=False)
    code, _, _ = shell(capsys, "locate", tmp_path / "triggers.csv", "--posterior",
                       tmp_path / "posterior.nc", "--json", tmp_path / "location.json")  # fmt: skip
    assert code == 0
    code, out, _ = shell(
        capsys, *given(folder, "--threshold", "5%g", "--magnitude", 5.6), "--json",
        "--posterior", tmp_path / "posterior.nc",
    )  # fmt: skip
    assert code == 0
    found, located = json.loads(out), json.loads((tmp_path / "location.json").read_text())
    for name in ("latitude", "longitude"):
        assert found["source"]["hypocentre"][name] == pytest.approx(
            located["hypocentre"][name], abs=0.05
        )
    assert found["source"]["hypocentre"]["origin_time"]


@pytest.mark.parametrize(("code", "expected"), [("NOT_DETERMINED", 1), ("AT_BOUND", 0), ("", 0)])
def test_a_location_that_must_not_be_used_exits_1(capsys, folder, tmp_path, code, expected):
    attrs = {"result": code, "result_text": "the triggers do not determine it"} if code else {}
    path = tmp_path / "posterior.nc"
    grid_posterior().assign_attrs(attrs).to_netcdf(path, engine="h5netcdf")
    options = given(folder, "--threshold", "5%g", "--magnitude", 5.6, "--posterior", path)
    found, out, err = shell(capsys, *options, "--json")
    assert found == expected
    assert json.loads(out)["result"] == ("SOURCE_NOT_USABLE" if expected else "DONE")
    said = " ".join(err)
    assert ("not to be used" in said and "do not determine it" in said) == bool(expected)


def test_a_column_that_the_point_source_does_not_use_is_said(capsys, folder, tmp_path):
    sites = pd.read_csv(folder / "sites.csv").assign(vs30_m_s=400.0)
    sites.to_csv(tmp_path / "sites.csv", index=False)
    options = given(folder, "--threshold", "5%g", "--magnitude", 5.6)
    for path, said in ((tmp_path / "sites.csv", True), (folder / "sites.csv", False)):
        _, _, err = shell(capsys, *options, "--sites", path)
        assert ("vs30_m_s" in " ".join(err)) == said


def test_sites_on_another_continent_are_said_and_unnamed_ones_are_numbered(
    capsys, folder, tmp_path
):
    sites = pd.read_csv(folder / "sites.csv").drop(columns="name")
    sites.rename(columns={"lat": "lon", "lon": "lat"}).to_csv(tmp_path / "s.csv", index=False)
    options = ["exceed", "--posterior", folder / "posterior.nc", "--sites", tmp_path / "s.csv",
               "--columns", "latitude=lat", "longitude=lon", "--threshold", "5%g",
               "--magnitude", 5.6]  # fmt: skip
    code, _, err = shell(capsys, *options, "--table", tmp_path / "out.csv")
    said = " ".join(err)
    assert code == 0 and "sites more than 1000 km from the source: 0 (" in said
    assert "and 22 more" in said and "exchanged" in said
    assert pd.read_csv(tmp_path / "out.csv", dtype=str)["site"].tolist()[:2] == ["0", "1"]


def given(folder, *more):
    return ("exceed", "--posterior", folder / "posterior.nc", "--sites", folder / "sites.csv",
            "--columns", "site=name", "latitude=lat", "longitude=lon", *more)  # fmt: skip


@pytest.mark.parametrize(("days", "side"), [(-365, "before"), (365, "after")])
def test_a_moment_far_from_the_origin_is_said(capsys, folder, days, side):
    now = (ZERO + pd.Timedelta(days=days)).isoformat()
    common = ("--threshold", "5%g", "--magnitude", 5.6, "--draws", 50, "--now", now)
    code, _, err = shell(capsys, *given(folder, *common))
    assert code == 0 and f"s {side} the origin, and lead times count from it" in " ".join(err)


def test_json_holds_what_the_functions_say(capsys, folder):
    now = ZERO + pd.Timedelta(seconds=8)
    code, out, lines = shell(
        capsys,
        *given(folder, "--threshold", "0.05g,98Gal", "--magnitude", 5.6, "--magnitude-sd", 0.2),
        "--json", "--now", now.isoformat(), "--draws", 200,
    )  # fmt: skip
    assert code == 0
    assert len(lines) == 1 and "generic point-source model" in lines[0]
    found = checked(out)
    assert found["threshold_m_s2"] == {"0.05g": pytest.approx(0.4903325), "98Gal": 0.98}
    assert found["lead_time_from"] == "now"
    posterior = xr.open_dataset(folder / "posterior.nc", engine="h5netcdf")
    sources = from_posterior(posterior, 5.6, magnitude_sd=0.2, count=200)
    zero = pd.Timestamp(sources.reference_time)
    sites = pd.read_csv(folder / "sites.csv").set_axis(["site", "latitude", "longitude"], axis=1)
    own = shaking(
        PointSource(), sources, sites, [0.4903325, 0.98], now_s=(now - zero).total_seconds(),
        s_travel_time=lambda km, depth: ConstantVelocity().travel_time(km, depth)[1],
    )  # fmt: skip
    assert [each["site"] for each in found["sites"]] == sites["site"].tolist()
    for place, each in enumerate(found["sites"]):
        row = own.isel(site=place)
        assert list(each["probability"].values()) == pytest.approx(row["probability"].values)
        assert each["pga_quantile_m_s2"] == pytest.approx(row["pga_quantile_m_s2"].values)
        assert each["lead_time_s"] == pytest.approx(float(row["lead_time_s"]))
    assert found["source"]["magnitude"] == pytest.approx(5.6, abs=0.02)
    assert found["source"]["standard_error"]["magnitude"] == pytest.approx(0.2, abs=0.02)
    assert set(found["source"]["standard_error"]) == {
        "latitude_km",
        "longitude_km",
        "depth_km",
        "origin_time_s",
        "magnitude",
    }


@pytest.mark.slow
def test_a_network_takes_the_place_of_the_point_source(capsys, folder, tmp_path):
    rows = (
        [5.0, 1.7, 7.0, 2.6],
        [0.7, 0.4, 3.0, 0.2],
        [4.0, 5.0, 1.0, 200.0],
        [7.0, 60.0, 40.0, 900],
    )
    scaling = Scaling(*(jnp.asarray(row, jnp.float32) for row in rows), FEATURES)
    one = init_member(jax.random.key(0), scaling, trend_prior(FEATURES)[0], 0.3)
    members = jax.tree.map(lambda leaf: leaf[None] if isinstance(leaf, jax.Array) else leaf, one)
    save(Network(members, jnp.ones(())), tmp_path / "network.eqx")
    code, out, told = shell(
        capsys, *given(folder, "--threshold", "5%g", "--magnitude", 5.6, "--json", "--draws", 64,
                       "--model", tmp_path / "network.eqx"),
    )  # fmt: skip
    assert code == 0
    found = json.loads(out)
    assert found["ground_motion"].endswith("network.eqx")
    sources = from_posterior(grid_posterior(), 5.6, magnitude_sd=0.3, count=64)
    sites = pd.read_csv(folder / "sites.csv").rename(
        columns={"lat": "latitude", "lon": "longitude"}
    )
    model = load(tmp_path / "network.eqx").predictor()
    expected = shaking(model, sources, sites, 0.05 * 9.80665)["probability"].to_numpy()[:, 0]
    chance = [site["probability"]["5%g"] for site in found["sites"]]
    np.testing.assert_allclose(chance, expected, rtol=1e-5)
    beyond = sum(site["distance_km"] > 60 for site in found["sites"])
    assert f"{beyond} of 25 sites lie outside the range" in " ".join(told)


@pytest.mark.slow
def test_a_fitted_model_takes_its_place_too(capsys, folder, tmp_path):
    motion = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None], 8, 0), GroundMotion())
    none, ranges = np.zeros((8, 0)), (("magnitude", 4.0, 7.0), ("distance_km", 5.0, 60.0))
    regions = eqx.tree_at(lambda m: m.region_level, motion, np.array([[0.5, -0.5]] * 8))
    fitted = MotionPosterior(
        regions, none, none, np.zeros(0), np.zeros(0), (), ("soft", "hard"), ranges
    )
    save(fitted, tmp_path / "motion.eqx")
    command = given(folder, "--threshold", "5%g", "--magnitude", 5.6, "--json", "--draws", 64,
                    "--model", tmp_path / "motion.eqx")  # fmt: skip
    code, out, told = shell(capsys, *command, "--region", "hard")
    assert code == 0
    found = json.loads(out)
    sources = from_posterior(grid_posterior(), 5.6, magnitude_sd=0.3, count=64)
    sites = pd.read_csv(folder / "sites.csv").rename(
        columns={"lat": "latitude", "lon": "longitude"}
    )
    expected = shaking(fitted.predictor(region="hard"), sources, sites, 0.05 * 9.80665)
    chance = [site["probability"]["5%g"] for site in found["sites"]]
    np.testing.assert_allclose(chance, expected["probability"].to_numpy()[:, 0], rtol=1e-5)
    beyond = sum(site["distance_km"] > 60 for site in found["sites"])
    assert f"{beyond} of 25 sites lie outside the range" in " ".join(told)
    _, _, told = shell(capsys, *command)
    assert "a new region is assumed; --region takes soft, hard" in " ".join(told)
    assert "no region 'wet'" in refused(capsys, *command, "--region", "wet")
    assert "--region" in refused(capsys, *command[:-2], "--region", "hard")


@pytest.mark.slow
def test_table_map_and_figure_are_written(capsys, folder, tmp_path):
    names = {"table": "t.csv", "map": "m.nc", "figure": "f.png", "json": "j.json"}
    files = [text for option, name in names.items() for text in (f"--{option}", tmp_path / name)]
    code, out, _ = shell(capsys, *given(folder, "--threshold", "5%g", "--magnitude", 5.6), *files)
    assert code == 0
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 25
    assert table["probability_5%g"].between(0, 1).all()
    assert {"pga_q5_m_s2", "pga_q50_m_s2", "lead_time_q95_s"} <= set(table.columns)
    grid = xr.open_dataset(tmp_path / "m.nc", engine="h5netcdf")
    assert grid["probability"].dims == ("threshold", "latitude", "longitude")
    assert float(grid["latitude"].min()) < table["latitude"].min()
    # Where a site is, the map says the same, but for the width of a cell.
    near = grid.sel(
        latitude=table["latitude"][0], longitude=table["longitude"][0], method="nearest"
    )
    assert float(near["probability"][0]) == pytest.approx(table["probability_5%g"][0], abs=0.05)
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "j.json").read_text())["lead_time_from"] == "origin"
    assert "P(> 5%g)" in out
    assert "... and 5 more sites" in out


def test_draws_of_nuts_and_their_magnitudes_are_read(capsys, folder, tmp_path):
    rng = np.random.default_rng(1)
    dims = ("chain", "draw")
    rows = {"latitude": -12.06, "longitude": -77.0, "depth_km": 20.0, "origin_time_s": 0.0,
            "magnitude": 6.0}  # fmt: skip
    posterior = {n: (dims, v + 0.05 * rng.normal(size=(2, 100))) for n, v in rows.items()}
    tree = xr.DataTree.from_dict({"/posterior": xr.Dataset(posterior)})
    tree.to_netcdf(tmp_path / "p.nc", engine="h5netcdf")
    common = ("--sites", folder / "sites.csv", "--columns", "latitude=lat", "longitude=lon",
              "--threshold", "0.5m/s2")  # fmt: skip
    code, out, _ = shell(capsys, "exceed", "--posterior", tmp_path / "p.nc", *common, "--json")
    assert code == 0
    assert json.loads(out)["source"]["magnitude"] == pytest.approx(6.0, abs=0.02)
    line = refused(capsys, "exceed", "--posterior", tmp_path / "p.nc", *common, "--now", ZERO)
    assert "no reference time" in line


@pytest.mark.parametrize(
    ("text", "size"), [("0.05g", 0.4903325), ("5%g", 0.4903325), ("49 Gal", 0.49), ("0.3m/s2", 0.3)]
)
def test_thresholds_have_units(text, size):
    assert acceleration(text) == pytest.approx(size)


def test_bad_input_is_one_line(capsys, folder, tmp_path):
    (tmp_path / "no.nc").write_text("text")
    for more, said in (
        (("--threshold", "0.05"), "no acceleration with a unit"),
        (("--threshold", "50g"), "more than any shaking"),
        (("--threshold", "5%g,0.05g"), "twice"),
        (("--threshold", "5%g"), "--magnitude"),
        (("--threshold", "5%g", "--magnitude", 12), "between -3 and 10"),
        (("--threshold", "5%g", "--magnitude", 5, "--now", "soon"), "--now"),
        (("--threshold", "5%g", "--magnitude", 5, "--now", "05.02.2027"), "--now"),
        (("--threshold", "5%g", "--magnitude", 5, "--posterior", tmp_path / "none.nc"), "no file"),
        (
            ("--threshold", "5%g", "--magnitude", 5, "--posterior", tmp_path / "no.nc"),
            "cannot read",
        ),
        (
            ("--threshold", "5%g", "--magnitude", 5, "--model", tmp_path / "no.nc"),
            "not a ground-motion model",
        ),
        (("--threshold", "5%g", "--magnitude", 5, "--columns", "vs30_m_s=lat"), "more than once"),
    ):
        assert said in refused(capsys, *given(folder, *more))


def test_the_map_is_of_the_area_that_is_given_and_says_where_it_is_from(capsys, folder, tmp_path):
    area = ("--area=-12.3,-11.9,-77.2,-76.8", "--step-deg", 0.1)
    common = given(folder, "--threshold", "5%g,10%g", "--magnitude", 5.6, *area)
    path = tmp_path / "map.nc"
    assert shell(capsys, *common, "--map", path)[0] == 0
    # What eqstat wrote may be written again.
    assert shell(capsys, *common, "--map", path)[0] == 0
    read = xr.load_dataset(path, engine="h5netcdf")
    np.testing.assert_allclose(read["latitude"], [-12.3, -12.2, -12.1, -12.0, -11.9])
    np.testing.assert_allclose(read["longitude"], [-77.2, -77.1, -77.0, -76.9, -76.8])
    assert read["probability"].dims == ("threshold", "latitude", "longitude")
    assert read.attrs["history"].startswith("eqstat exceed --posterior")
    assert "sites.csv (sha256 " in read.attrs["input"] and "M 5.6" in read.attrs["title"]
    source = from_posterior(grid_posterior(), 5.6, magnitude_sd=0.3, count=512)
    places = pd.DataFrame({"latitude": [-12.3, -11.9], "longitude": [-77.1, -76.8]})
    alone = shaking(PointSource(), source, places, [0.05 * 9.80665, 0.1 * 9.80665])
    for site, (row, column) in enumerate([(0, 1), (4, 4)]):
        np.testing.assert_allclose(
            read["probability"][:, row, column], alone["probability"][site], rtol=1e-6
        )


def test_a_geotiff_is_read_by_rasterio(capsys, folder, tmp_path):
    rasterio = pytest.importorskip("rasterio")
    common = given(folder, "--threshold", "5%g", "--magnitude", 5.6,
                   "--area=-12.3,-11.9,-77.2,-76.8", "--step-deg", 0.1)  # fmt: skip
    for name in ("map.nc", "map.tif", "map.tif"):
        assert shell(capsys, *common, "--map", tmp_path / name)[0] == 0
    read = xr.load_dataset(tmp_path / "map.nc", engine="h5netcdf")
    with rasterio.open(tmp_path / "map.tif") as raster:
        np.testing.assert_array_equal(raster.read(1), read["probability"][0, ::-1])
        assert (raster.transform.c, raster.transform.f) == pytest.approx((-77.25, -11.85))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--step-deg", 0.1), "--step-deg: needs --area"),
        (("--area=-12.3,-11.9,-77.2,-76.8",), "--area: needs --map or --figure"),
        (("--area=-12.3,-11.9,-77.2,-76.8", "--step-deg", 0.5, "--map", "m.nc"), "two or more"),
        (("--area=-12,-11,-77.2,-76.8", "--step-deg", 1e-4, "--map", "m.nc"), "wider spacing"),
        (("--map", "m.grd"), "must end in .nc, .tif"),
    ],
)
def test_a_map_that_cannot_be_is_refused(capsys, folder, options, said):
    common = given(folder, "--threshold", "5%g", "--magnitude", 5.6, *options)
    assert said in refused(capsys, *common)
