"""Maps for other programs: by the CF conventions, north up, and the same numbers when read back."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from eqstat import InputError, detectability, exceedance, ground_motion
from eqstat.schema import maps

LATITUDE, LONGITUDE = np.linspace(45.8, 46.3, 6), np.linspace(6.9, 7.2, 4)
THRESHOLD = [0.2, 0.5]


def shaking(latitude=LATITUDE, longitude=LONGITUDE):
    # Off the middle of the map, so that a turned or mirrored map would differ.
    source = exceedance.Sources([46.25], [6.95], [8.0], [5.5])
    model = ground_motion.PointSource()
    return exceedance.shaking_map(model, source, latitude, longitude, THRESHOLD)


def test_attributes_are_those_of_the_conventions():
    grid = shaking()
    kept = grid.copy(deep=True)
    made = maps.to_cf(grid, attrs={"title": "T", "history": "eqstat exceed", "comment": None})
    xr.testing.assert_identical(grid, kept)
    xr.testing.assert_equal(made.drop_vars("crs"), grid.transpose(..., "latitude", "longitude"))
    assert made.attrs["Conventions"] == "CF-1.11" and made.attrs["title"] == "T"
    assert made.attrs["source"].startswith("eqstat ") and "comment" not in made.attrs
    for name, axis, units in (
        ("latitude", "Y", "degrees_north"),
        ("longitude", "X", "degrees_east"),
    ):
        about = made[name].attrs
        assert (about["standard_name"], about["axis"], about["units"]) == (name, axis, units)
        assert np.all(np.diff(made[name]) > 0)
    for name in grid.data_vars:
        assert made[name].dims[-2:] == ("latitude", "longitude")
        assert made[name].attrs["grid_mapping"] == "crs" and made[name].attrs["units"]
    assert made["crs"].attrs["grid_mapping_name"] == "latitude_longitude"
    assert made["crs"].attrs["semi_major_axis"] == 6378137.0


def test_the_reference_system_is_that_of_its_code():
    pyproj = pytest.importorskip("pyproj")
    made = maps.to_cf(shaking())["crs"].attrs
    for known in (pyproj.CRS.from_wkt(made["crs_wkt"]), pyproj.CRS.from_cf(made)):
        assert known.to_epsg() == 4326


def test_netcdf_is_read_by_xarray(tmp_path):
    grid = shaking()
    maps.write(grid, tmp_path / "map.nc")
    read = xr.load_dataset(tmp_path / "map.nc", engine="h5netcdf")
    xr.testing.assert_equal(read.drop_vars("crs"), grid.transpose(..., "latitude", "longitude"))
    raw = xr.load_dataset(tmp_path / "map.nc", engine="h5netcdf", decode_cf=False)
    assert "_FillValue" not in raw["latitude"].attrs | raw["threshold"].attrs
    # Further dims come first: each value is a band of a program for maps.
    assert read["probability"].dims == ("threshold", "latitude", "longitude")


@pytest.mark.parametrize("ending", ["tif", "nc"])
def test_rasters_are_read_north_up(tmp_path, ending):
    """GDAL reads both files: the same numbers at the same places, each band named."""
    rasterio = pytest.importorskip("rasterio")
    grid = shaking()
    maps.write(grid, tmp_path / f"map.{ending}", attrs={"history": "eqstat exceed"})
    name = str(tmp_path / "map.tif") if ending == "tif" else f"netcdf:{tmp_path}/map.nc:probability"
    with rasterio.open(name) as raster:
        assert raster.crs.to_epsg() == 4326 and np.isnan(raster.nodata)
        assert raster.transform.a == pytest.approx(0.1) and raster.transform.e < 0
        # The corner of the first cell, whose middle is the north-western place.
        assert (raster.transform.c, raster.transform.f) == pytest.approx((6.85, 46.35))
        read = raster.read()
        for at, threshold in enumerate(THRESHOLD):
            wanted = grid["probability"].sel(threshold=threshold).to_numpy()[::-1]
            np.testing.assert_array_equal(read[at], wanted)
        if ending == "tif":
            assert raster.count == 10 and raster.tags()["history"] == "eqstat exceed"
            assert raster.descriptions[1] == "probability, threshold 0.5 m s-2"
            assert raster.descriptions[3:5] == (
                "pga_quantile_m_s2, quantile 0.05", "pga_quantile_m_s2, quantile 0.5",
            )  # fmt: skip
            assert raster.units[2:4] == ("km", "m s-2") and raster.tags(2)["threshold"] == "0.5"
            pga = grid["pga_quantile_m_s2"].sel(quantile=0.5).to_numpy()[::-1]
            np.testing.assert_array_equal(read[4], pga)


def test_rasters_of_other_orders_and_across_the_antimeridian(tmp_path):
    """Decreasing latitudes come out in order; longitudes run on beyond 180."""
    rasterio = pytest.importorskip("rasterio")
    grid = shaking(LATITUDE, np.linspace(179.8, 180.2, 5))
    turned = grid.isel(latitude=slice(None, None, -1)).transpose("threshold", "longitude", ...)
    for number, one in enumerate((grid, turned)):
        maps.write(one, tmp_path / f"{number}.tif")
    with rasterio.open(tmp_path / "0.tif") as first, rasterio.open(tmp_path / "1.tif") as second:
        np.testing.assert_array_equal(first.read(), second.read())
        assert first.bounds == second.bounds and first.bounds.right == pytest.approx(180.25)


def test_maps_of_detectability_are_maps_too(tmp_path):
    town = pd.DataFrame({"latitude": [46.0], "longitude": [7.0], "phones": [300]})
    network = detectability.prepare(town, devices="phones")
    result = detectability.miss_map(
        network, detectability.Rule(12), [45.9, 46.0, 46.1], [6.9, 7.1], [3.0, 5.0, 7.0]
    )
    smallest = detectability.smallest_magnitude(result, [0.5, 0.9])
    maps.write(result, tmp_path / "miss.nc")
    maps.write(smallest, tmp_path / "smallest.nc")
    read = xr.load_dataset(tmp_path / "miss.nc", engine="h5netcdf")
    xr.testing.assert_equal(read["miss_probability"].transpose(*result["miss_probability"].dims),
                            result["miss_probability"])  # fmt: skip
    read = xr.load_dataset(tmp_path / "smallest.nc", engine="h5netcdf")
    assert read["smallest_magnitude"].dims[-2:] == ("latitude", "longitude")


def test_what_is_no_map_is_refused(tmp_path):
    grid = shaking()
    for wrong, said in (
        (grid.isel(latitude=0), "dims latitude and longitude"),
        (grid["latitude"].to_dataset(name="x"), "dims latitude and longitude"),
        (grid.assign_coords(latitude=2 * LATITUDE), "latitude must be degrees"),
        (xr.concat([grid, grid], "latitude"), "twice"),
        (grid[["latitude", "longitude"]], "no variable depends"),
    ):
        with pytest.raises(InputError, match=said):
            maps.to_cf(wrong)
    with pytest.raises(InputError, match=r"must end in one of \.nc, \.tif"):
        maps.write(grid, tmp_path / "map.grd")


def test_a_geotiff_needs_even_axes(tmp_path):
    pytest.importorskip("rasterio")
    grid = shaking(np.array([45.8, 45.9, 46.2]))
    with pytest.raises(InputError, match="latitude must have two or more evenly spaced"):
        maps.write(grid, tmp_path / "map.tif")
    with pytest.raises(InputError, match="longitude must have two or more"):
        maps.write(shaking().isel(longitude=[1]), tmp_path / "map.tif")
    maps.write(grid, tmp_path / "map.nc")
