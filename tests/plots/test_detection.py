"""Figures of a stream draw what its history says."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from eqstat.plots import detection as plots
from eqstat.plots._series import SERIES

ZERO = pd.Timestamp("2027-01-15T08:00:00Z")
STEPS, ALARM = 40, 22


def after(seconds):
    return ZERO + pd.to_timedelta(np.asarray(seconds, float), unit="s")


def stream(alarm=True):
    """An outcome as replay gives it: an earthquake in step 22 of 40."""
    rng = np.random.default_rng(0)
    time = after(np.arange(1.0, STEPS + 1))
    chance = np.where(np.arange(STEPS) < ALARM, 0.01, 0.95) if alarm else np.full(STEPS, 0.01)
    history = pd.DataFrame({"time": time, "probability": chance, "probability_sound": 0.02})
    history["probability_none"] = 1 - history["probability"] - 0.02
    history["log_shiryaev_roberts"] = np.where(chance > 0.5, 60.0, 3.0) + np.arange(STEPS) / 100
    lat, lon = np.meshgrid(np.linspace(-12.4, -11.6, 5), np.linspace(-77.4, -76.6, 7))
    lat = lat + 0.01 * lon  # bent, as grids of kilometres are
    weight = rng.uniform(size=(STEPS, lat.size))
    place = xr.DataArray(
        weight / weight.sum(axis=1, keepdims=True), dims=("time", "place"),
        coords={"latitude": ("place", lat.ravel()), "longitude": ("place", lon.ravel())},
    )  # fmt: skip
    fine = np.meshgrid(np.linspace(-12.1, -12.0, 9), np.linspace(-77.1, -77.0, 9), indexing="ij")
    located = xr.Dataset(
        {"in_region": (("n", "e"), np.hypot(*(x - x.mean() for x in fine)) < 0.03),
         "latitude_mean": -12.05, "longitude_mean": -77.05},
        coords={"latitude": (("n", "e"), fine[0]), "longitude": (("n", "e"), fine[1])},
        attrs={"interval_probability": 0.9},
    )  # fmt: skip
    devices = pd.DataFrame({"latitude": rng.uniform(-12.3, -11.7, 60),
                            "longitude": rng.uniform(-77.3, -76.7, 60)})  # fmt: skip
    alarms = ({"time": time[ALARM]},) if alarm else ()
    return SimpleNamespace(
        history=history,
        alternatives=["sound", "none"],
        alarms=alarms,
        alarm=alarms[0] if alarm else None,
        located=located if alarm else None,
        place_probability=place,
        triggers=devices[:12].assign(time=after(np.arange(12) + 15.5)),
        devices=devices,
        settings={"log_threshold": 17.3, "false_alarm_rate_per_year": 1.0, "dead_time_s": 20.0},
    )


@pytest.fixture
def outcome():
    return stream()


def line(ax, label):
    (found,) = [each for each in ax.lines if each.get_label() == label]
    return found


def test_each_cause_is_drawn_with_the_alarm_and_triggers(outcome):
    ax = plots.causes(outcome)
    np.testing.assert_array_equal(
        line(ax, "earthquake").get_ydata(), outcome.history["probability"]
    )
    assert line(ax, "none").get_ydata()[0] == pytest.approx(0.97)
    assert line(ax, "alarm").get_xdata()[0] == ALARM
    (rug,) = [each for each in ax.lines if each.get_marker() == "|"]
    np.testing.assert_allclose(rug.get_xdata(), np.arange(12) + 14.5)


def test_time_is_counted_from_the_origin(outcome):
    ax = plots.causes(outcome, truth={"origin_time": after(18.0)})
    assert line(ax, "alarm").get_xdata()[0] == ALARM + 1 - 18
    assert ax.get_xlabel() == "Time after the origin (s)"


def test_nothing_later_than_the_step_is_drawn(outcome):
    ax = plots.causes(outcome, until=20)
    assert len(line(ax, "earthquake").get_xdata()) == 21
    assert not [each for each in ax.lines if each.get_label() == "alarm"]
    (rug,) = [each for each in ax.lines if each.get_marker() == "|"]
    assert len(rug.get_xdata()) == 6
    whole = plots.causes(outcome)
    assert ax.get_xlim() == whole.get_xlim()


def test_evidence_and_its_threshold(outcome):
    ax = plots.evidence(outcome)
    np.testing.assert_allclose(
        line(ax, "earthquake").get_ydata() * np.log(10), outcome.history["log_shiryaev_roberts"]
    )
    assert line(ax, "at most 1 false a year").get_ydata()[0] == pytest.approx(17.3 / np.log(10))
    low, high = ax.get_ylim()
    assert low < 0
    assert high > 60 / np.log(10)


def test_the_map_shows_places_devices_triggers_and_truth(outcome):
    ax = plots.place_map(outcome, truth={"latitude": -12.0, "longitude": -77.0})
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [
        "device",
        "trigger (bright: latest)",
        "90 % region",
        "50 and 90 % of places",
        "true epicentre",
    ]
    mesh = next(each for each in ax.collections if type(each).__name__ == "QuadMesh")
    best = int(np.argmax(outcome.history["log_shiryaev_roberts"]))
    np.testing.assert_array_equal(
        mesh.get_array().ravel(), outcome.place_probability.to_numpy()[best]
    )
    # The middle of a cell is the place that it stands for.
    corners = mesh.get_coordinates()
    middle = 0.25 * (corners[:-1, :-1] + corners[1:, 1:] + corners[1:, :-1] + corners[:-1, 1:])
    np.testing.assert_allclose(
        middle[..., 1].ravel(), outcome.place_probability["latitude"], atol=1e-9
    )


def test_the_map_of_a_step_shows_triggers_of_late(outcome):
    ax = plots.place_map(outcome, step=39)
    seconds = (outcome.history["time"][39] - outcome.triggers["time"]).dt.total_seconds()
    points = next(each for each in ax.collections if each.get_label().startswith("trigger"))
    assert len(points.get_offsets()) == int((seconds < 20).sum())
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert "90 % region" not in labels


def test_figure_with_and_without_an_alarm():
    for alarm in (True, False):
        figure = plots.detection_figure(stream(alarm), title="a stream")
        assert isinstance(figure, Figure)
        assert figure.get_suptitle() == "a stream"
        assert len(figure.axes) == 3


def test_frames_are_those_about_the_alarm():
    assert plots.frames_of(stream()) == list(range(ALARM - 15, STEPS))
    quiet = stream(alarm=False)
    assert plots.frames_of(quiet) == list(range(STEPS))
    quiet.history = pd.concat([quiet.history] * 5, ignore_index=True)
    assert len(plots.frames_of(quiet)) <= 90


def test_animation_is_written(outcome, tmp_path):
    from PIL import Image

    path = tmp_path / "film.gif"
    plots.write_animation(outcome, str(path), frames=[5, 25, 39])
    with Image.open(path) as film:
        assert film.n_frames == 3
        shades = []
        for number in range(3):
            film.seek(number)
            shades.append(np.asarray(film.convert("L"), float))
    assert np.abs(shades[0] - shades[2]).max() > 50


def test_each_cause_has_a_colour_and_a_line_of_its_own():
    assert len({colour for colour, _, _ in SERIES}) == len(SERIES) >= 7
    assert len({str(line) for _, _, line in SERIES}) == len(SERIES)
