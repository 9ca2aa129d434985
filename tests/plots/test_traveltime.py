"""Figures: they draw what they are given, where it is, and change nothing else."""

from types import SimpleNamespace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from eqstat import plots

ZERO = pd.Timestamp("2027-01-15T08:00:00Z")


class Velocity:
    """Straight rays, as a user might write them."""

    def travel_time(self, distance_km, depth_km):
        away = np.hypot(distance_km, depth_km)
        return away / 8.0, away / 4.5


def rows(count=30, latitude=-12.0, longitude=-77.0, background=3):
    rng = np.random.default_rng(0)
    residual = rng.normal(0, 0.5, count)
    residual[:background] = 25.0
    distance = rng.uniform(5, 60, count)
    chances = np.zeros((count, 3))
    chances[:, 0] = 1.0
    chances[count // 2 :] = [0.1, 0.9, 0.0]
    chances[:background] = [0.0, 0.1, 0.9]
    after = np.hypot(distance, 10.0) / np.where(chances[:, 0] > 0.5, 8.0, 4.5) + residual
    return pd.DataFrame(
        {
            "time": ZERO + pd.to_timedelta(after, unit="s"),
            "latitude": latitude + rng.uniform(-0.3, 0.3, count),
            "longitude": (longitude + rng.uniform(-0.3, 0.3, count) + 180) % 360 - 180,
            "distance_km": distance,
            "residual_s": residual,
            "probability_p": chances[:, 0],
            "probability_s": chances[:, 1],
            "probability_background": chances[:, 2],
        }
    )


def location(method="grid", latitude=-12.0, longitude=-77.0, error=2.0):
    angle = np.linspace(0, 2 * np.pi, 40)
    ring = np.column_stack([longitude + 0.1 * np.cos(angle), latitude + 0.1 * np.sin(angle)])
    names = ("longitude_km", "latitude_km", "depth_km", "origin_time_s")
    return SimpleNamespace(
        method=method,
        latitude=latitude,
        longitude=longitude,
        depth_km=10.0,
        origin_time=ZERO,
        standard_error=dict.fromkeys(names, error),
        region=SimpleNamespace(polygons=(ring,), probability=0.9),
        triggers=rows(latitude=latitude, longitude=longitude),
    )


def draws():
    rng = np.random.default_rng(1)
    depth = np.abs(rng.normal(10, 4, (4, 500)))
    return {"depth_km": depth, "origin_time_s": 0.1 * depth + rng.normal(0, 0.5, (4, 500))}


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_drawing_changes_no_setting():
    before = dict(matplotlib.rcParams)
    figure = plots.location_figure([location()], Velocity(), draws={"grid": draws()},
                                   reference_time=ZERO)  # fmt: skip
    figure.canvas.draw()
    assert dict(matplotlib.rcParams) == before
    assert len([ax for ax in figure.axes if ax.get_xlabel()]) == 4


def test_axes_of_a_user_are_used():
    ax = Figure().subplots()
    assert plots.map_triggers(rows(), ax=ax) is ax
    other = Figure().subplots()
    assert plots.section(rows(), ZERO, 10.0, Velocity(), ax=other) is other
    third, fourth = Figure().subplots(1, 2)
    assert plots.residuals(rows(), ax=third) is third
    assert plots.depth_time({"grid": draws()}, ZERO, ax=fourth) is fourth


@pytest.mark.parametrize("longitude", [-77.0, 0.0, 179.95, -179.95])
def test_the_map_keeps_its_shape_everywhere(longitude):
    ax = plots.map_triggers(rows(longitude=longitude), [location(longitude=longitude)])
    ax.figure.canvas.draw()
    left, right = ax.get_xlim()
    assert right - left < 1.5
    assert left < longitude < right or left < longitude - np.sign(longitude) * 360 < right
    assert ax.get_aspect() == pytest.approx(1 / np.cos(np.radians(12.0)), rel=0.01)
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert all(text.endswith(("°E", "°W")) or text in ("0°", "180°W") for text in ticks)


@pytest.mark.parametrize("latitude", [89.6, -89.6])
def test_the_map_of_a_pole_is_in_kilometres(latitude):
    ax = plots.map_triggers(rows(latitude=latitude), [location(latitude=latitude)])
    assert "pole (km)" in ax.get_ylabel()
    assert ax.get_aspect() == 1.0
    # The devices lie 12 to 75 km from this pole.
    assert 20 < np.diff(ax.get_xlim())[0] < 400


def test_the_map_names_what_it_shows():
    silent = pd.DataFrame({"latitude": [-12.1, -12.2], "longitude": [-77.1, -77.2]})
    found = [location(name) for name in ("grid", "nuts", "bfgs")]
    ax = plots.map_triggers(rows(), found, truth=(-12.0, -77.0), silent=silent)
    assert {"trigger", "silent device", "90 % region, grid", "90 % region, NUTS",
            "90 % region, BFGS", "true epicentre"} == set(labels(ax))  # fmt: skip
    assert any(text.endswith(" km") for text in texts(ax))
    colours = {to_hex(line.get_color()) for line in ax.lines if len(line.get_xdata()) > 10}
    assert len(colours) == 3


def test_the_scale_bar_is_true():
    ax = plots.map_triggers(rows(latitude=60.0), [location(latitude=60.0)])
    (text,) = (item for item in texts(ax) if item.endswith(" km"))
    bar = next(line for line in ax.lines if line.get_linewidth() == 3)
    west, east = bar.get_xdata()
    height = np.cos(np.radians(60.0))
    assert (east - west) * 111.195 * height == pytest.approx(float(text.split()[0]), rel=0.02)


def test_far_background_is_told_and_not_shown():
    table = rows()
    table.loc[0, ["latitude", "longitude", "distance_km"]] = [-2.0, -70.0, 1300.0]
    found = location()
    assert "1 more trigger outside" in texts(plots.map_triggers(table, [found]))
    ax = plots.section(table, ZERO, 10.0, Velocity())
    assert ax.get_xlim()[1] < 100
    assert any("outside" in text for text in texts(ax))
    assert "1 more trigger outside" in texts(plots.residuals(table))


def test_the_section_draws_the_curves_and_the_delay():
    ax = plots.section(rows(), ZERO, 10.0, Velocity(), delay_s=2.0)
    assert labels(ax)[:3] == ["P arrival", "S arrival", "with mean delay, 2.0 s"]
    assert {"P", "S", "background"} <= set(labels(ax))
    p, late = ax.lines[0], ax.lines[1]
    at, times = np.asarray(p.get_xdata()), np.asarray(p.get_ydata())
    assert times == pytest.approx(np.hypot(at, 10.0) / 8.0)
    assert np.asarray(late.get_ydata()) - times == pytest.approx(2.0)


def test_residuals_beyond_the_range_sit_on_its_edge():
    ax = plots.residuals(rows())
    assert ax.get_ylim()[1] < 5
    assert "beyond the range" in labels(ax)
    quake = rows()["residual_s"].to_numpy()[3:]
    assert f"± rms, {np.sqrt(np.mean(quake**2)):.2f} s" in labels(ax)


def test_depth_points_down_and_errors_may_be_unknown():
    for error in (2.0, np.nan):
        ax = plots.depth_time({"grid": draws()}, ZERO, [location("bfgs", error=error)],
                              truth=(ZERO, 9.0))  # fmt: skip
        ax.figure.canvas.draw()
        bottom, top = ax.get_ylim()
        assert bottom > 10 > top
        assert {"grid, 50 and 90 %", "BFGS ± standard error", "truth"} == set(labels(ax))
    alone = plots.depth_time({}, ZERO, [location("bfgs")])
    assert alone.get_ylim()[0] > 12


def test_regions_of_depth_and_time_hold_what_they_say():
    ax = plots.depth_time({"nuts": draws()}, ZERO)
    lines = [item for item in ax.collections if hasattr(item, "levels")][-1]
    outer = lines.get_paths()[0]
    sites = draws()
    points = np.column_stack([sites["origin_time_s"].ravel(), sites["depth_km"].ravel()])
    assert np.mean(outer.contains_points(points)) == pytest.approx(0.9, abs=0.03)
