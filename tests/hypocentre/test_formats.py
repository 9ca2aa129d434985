"""Files of a hypocentre: NetCDF, GeoJSON and QuakeML, there and back."""

import json

import numpy as np
import pytest
import xarray as xr

from eqstat import InputError, hypocentre
from eqstat.geodesy import LocalFrame

FRAME = LocalFrame(-12.0, -77.0)
COVARIANCE = np.diag([81.0, 25.0, 16.0, 0.25])
COVARIANCE[0, 1] = COVARIANCE[1, 0] = 20.0


def normal(frame=FRAME, covariance=COVARIANCE):
    return hypocentre.from_normal(
        frame, [0.0, 0.0, 20.0, 3.0], covariance, reference_time="2027-01-15T08:00:00Z"
    )


def drawn():
    return hypocentre.with_magnitude(normal(), 5.5, magnitude_sd=0.2, count=800)


@pytest.mark.parametrize("kind", ["normal", "draws", "grid", "chains"])
def test_netcdf_keeps_everything(tmp_path, kind):
    made = drawn() if kind in ("draws", "chains") else normal()
    if kind == "grid":
        axis = hypocentre.Axis.of_edges(np.linspace(-9, 9, 7))
        depth = hypocentre.Axis.of_edges([0.0, 5.0, 15.0])
        weight = np.random.default_rng(0).uniform(size=(6, 6, 2))
        made = hypocentre.from_grid(
            FRAME, {"east_km": axis, "north_km": axis, "depth_km": depth}, weight,
            origin_time_s=weight, origin_time_sd_s=weight, reference_time="2027-01-15",
        )  # fmt: skip
    path = tmp_path / "posterior.nc"
    if kind == "chains":
        chains = xr.Dataset(
            {n: (("chain", "draw"), v.to_numpy().reshape(4, 200)) for n, v in made.items()}
        )
        tree = xr.DataTree.from_dict({"/posterior": chains})
        tree.attrs["reference_time"] = made.attrs["reference_time"]
        tree.to_netcdf(path, engine="h5netcdf")
    else:
        hypocentre.write(made, path)
    again = hypocentre.read(path)
    assert again.attrs["reference_time"] == made.attrs["reference_time"]
    for probability in (0.5, 0.9):
        area = hypocentre.credible_region(made, probability).area_km2
        assert hypocentre.credible_region(again, probability).area_km2 == pytest.approx(area)
    if kind != "chains":
        xr.testing.assert_allclose(again, made)


@pytest.mark.parametrize("centre", [(-12.0, -77.0), (0.0, 180.0), (10.0, -179.99), (89.95, 30.0)])
@pytest.mark.parametrize("kind", ["normal", "draws"])
def test_geojson_holds_the_region_within_180_degrees(tmp_path, centre, kind):
    frame = LocalFrame(*centre)
    made = normal(frame)
    made = hypocentre.resample(made, 900) if kind == "draws" else made
    path = tmp_path / "region.geojson"
    hypocentre.write(made, path, probability=0.8)
    given = json.loads(path.read_text())
    region, point = given["features"]
    assert region["properties"]["probability"] == 0.8
    assert point["properties"]["interval_probability"] == 0.8
    for polygon in region["geometry"]["coordinates"]:
        for ring in polygon:
            assert ring[0] == ring[-1]
            assert np.abs(np.array(ring)[:, 0]).max() <= 180.0
            # No edge runs the long way round the globe, but along a pole.
            longitude, latitude = np.array(ring).T
            assert np.all((np.abs(np.diff(longitude)) < 180) | (np.abs(latitude[1:]) == 90))
    again = hypocentre.read_geojson(path)
    whole = hypocentre.credible_region(made, 0.8)
    assert again.area_km2 == whole.area_km2 and again.kind == whole.kind
    if centre[0] > 80:
        return
    rng = np.random.default_rng(0)
    for east, north in rng.uniform(-25, 25, (100, 2)):
        place = tuple(float(v) for v in frame.to_geographic(east, north))
        assert again.contains(*place) == whole.contains(*place)


def test_holes_stay_holes(tmp_path):
    axis = hypocentre.Axis.of_edges(np.linspace(-60, 60, 61))
    x, y = np.meshgrid(axis.centres, axis.centres)
    mass = np.exp(-0.5 * ((np.hypot(x, y) - 40) / 4) ** 2)[:, :, None]
    depth = hypocentre.Axis.of_edges([0.0, 10.0])
    axes = {"east_km": axis, "north_km": axis, "depth_km": depth}
    made = hypocentre.from_grid(LocalFrame(46.0, 7.0), axes, mass)
    geometry = hypocentre.to_geojson(made)["features"][0]["geometry"]
    assert [len(polygon) for polygon in geometry["coordinates"]] == [2]


@pytest.mark.parametrize("centre", [(-12.0, -77.0), (0.0, 180.0)])
def test_quakeml_keeps_the_uncertainty_in_its_own_terms(tmp_path, centre):
    pytest.importorskip("obspy")
    import obspy

    made = normal(LocalFrame(*centre))
    path = tmp_path / "event.xml"
    hypocentre.write(made, path, probability=0.8)
    origin = obspy.read_events(str(path))[0].preferred_origin()
    ellipse = hypocentre.uncertainty_ellipse(made, 0.8)
    spread = origin.origin_uncertainty
    assert spread.confidence_level == origin.depth_errors.confidence_level == pytest.approx(80.0)
    assert spread.max_horizontal_uncertainty == pytest.approx(1000 * ellipse.semi_major_km)
    assert spread.azimuth_max_horizontal_uncertainty == pytest.approx(ellipse.azimuth_deg)
    assert origin.depth_errors.uncertainty == pytest.approx(4000 * 1.2816, rel=1e-3)
    assert "80 % credible region" in origin.comments[0].text
    again = hypocentre.read(path)
    table, expected = (hypocentre.summary(each, probability=0.8) for each in (again, made))
    for name in ("depth_km", "latitude", "longitude"):
        np.testing.assert_allclose(table[name], expected[name], rtol=1e-4, atol=1e-4)
    assert float(table["origin_time_s"].sel(statistic="sd")) == pytest.approx(0.5, rel=1e-4)
    area = hypocentre.credible_region(made, 0.9).area_km2
    assert hypocentre.credible_region(again, 0.9).area_km2 == pytest.approx(area, rel=1e-4)


def test_quakeml_has_the_magnitude(tmp_path):
    pytest.importorskip("obspy")
    event = hypocentre.to_event(drawn(), probability=0.9)
    assert event.magnitudes[0].mag == pytest.approx(5.5, abs=0.01)
    assert event.magnitudes[0].mag_errors.uncertainty == pytest.approx(0.2 * 1.645, rel=0.05)


def test_what_cannot_be_written_or_read_is_refused(tmp_path):
    with pytest.raises(InputError, match="ending must be one of"):
        hypocentre.write(normal(), tmp_path / "event.doc")
    with pytest.raises(InputError, match="holds the epicentre"):
        hypocentre.read(tmp_path / "region.geojson")
    with pytest.raises(InputError, match="no file"):
        hypocentre.read(tmp_path / "none.nc")
    (tmp_path / "bad.nc").write_text("no")
    with pytest.raises(InputError, match="cannot read"):
        hypocentre.read(tmp_path / "bad.nc")
    (tmp_path / "bad.geojson").write_text("{}")
    with pytest.raises(InputError, match="not a region"):
        hypocentre.read_geojson(tmp_path / "bad.geojson")
    with pytest.raises(InputError, match="reference time"):
        hypocentre.to_event(normal().drop_attrs())
