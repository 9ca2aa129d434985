"""Figures of backgrounds draw what the datasets say."""

import matplotlib
import numpy as np
import pytest
import xarray as xr
from matplotlib.figure import Figure

from eqstat.plots import counts

ACTIVE, HOURS, REGIONS = [20, 100, 500], np.arange(0.5, 24.0, 6.0), ["a", "b"]


def thresholds(shift=0):
    """Thresholds that grow with the devices, the hour and the region."""
    region, hour, active = np.ix_([0, 1], [0, 1, 2, 3], [8, 20, 60])
    triggers = active + hour + 2 * region + shift
    attainable = triggers <= np.array(ACTIVE)
    rate = np.where(attainable, 0.3 - 0.1 * region, 0.0)
    dims = ("region", "hour", "active")
    return xr.Dataset(
        {
            "triggers": (dims, triggers),
            "attainable": (dims, attainable),
            "false_alarm_rate_per_year": (dims, rate),
            "rate_low": (dims, 0.5 * rate),
            "rate_high": (dims, 2 * rate),
            "budget_per_year": ("region", [0.5, 0.5]),
        },
        coords={"region": REGIONS, "hour": HOURS, "active": ACTIVE},
        attrs={"window_s": 10.0, "interval_probability": 0.9, "false_alarm_rate_per_year": 1.0},
    )


def roots():
    expected = np.array([900.0, 90.0, 9.0, 0.9, 0.09, 0.009])
    observed = np.array([900.0, 121.0, 9.0, 1.0, 0.0, 3.0])
    return xr.Dataset(
        {
            "observed": ("triggers", observed),
            "expected": ("triggers", expected),
            "low": ("triggers", np.floor(0.9 * expected)),
            "high": ("triggers", np.ceil(1.1 * expected)),
        },
        coords={"triggers": np.arange(6)},
        attrs={"window_s": 10.0, "interval_probability": 0.9},
    )


def tail(scale=1.0):
    level = np.array([1e-1, 1e-2, 1e-3])
    observed = np.array([100.0, 10.0, 0.0]) * scale
    return xr.Dataset(
        {
            "observed": ("tail_probability", observed),
            "expected": ("tail_probability", 1000 * level),
            "low": ("tail_probability", 700 * level),
            "high": ("tail_probability", 1300 * level),
            "observed_low": ("tail_probability", 0.8 * observed),
            "observed_high": ("tail_probability", 1.2 * observed + 3),
        },
        coords={"tail_probability": level},
        attrs={"interval_probability": 0.9},
    )


def transform(tilt=0.0):
    middle = (np.arange(10) + 0.5) / 10
    names = ("density", "low", "high", "randomised", "randomised_low", "randomised_high")
    one = np.ones(10)
    parts = (1 + tilt * (middle - 0.5), 0.9 * one, 1.1 * one, one, 0.8 * one, 1.2 * one)
    return xr.Dataset(
        {name: ("pit", part) for name, part in zip(names, parts, strict=True)},
        coords={"pit": middle},
        attrs={"interval_probability": 0.9},
    )


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def line(ax, label):
    return next(each for each in ax.lines if each.get_label() == label)


def test_drawing_changes_no_setting():
    before = dict(matplotlib.rcParams)
    for figure in (
        counts.threshold_figure(thresholds(), title="a"),
        counts.check_figure(roots(), transform(), tail(), title="b"),
        counts.budget(thresholds(), active=100).figure,
    ):
        figure.canvas.draw()
    assert dict(matplotlib.rcParams) == before


def test_axes_of_a_user_are_used():
    for draw, given in (
        (counts.threshold_curves, thresholds()),
        (counts.threshold_hours, thresholds()),
        (counts.budget, thresholds().isel(active=[1])),
        (counts.rootogram, roots()),
        (counts.tail_calibration, tail()),
        (counts.pit, transform()),
    ):
        ax = Figure().subplots()
        assert draw(given, ax=ax) is ax


def test_curves_run_from_the_lowest_to_the_highest():
    ax = counts.threshold_curves(
        thresholds(), others={"more": thresholds(10)}, detections=([30], [9])
    )
    np.testing.assert_array_equal(line(ax, "lowest").get_ydata(), [8, 20, 60])
    np.testing.assert_array_equal(line(ax, "highest").get_ydata(), [13, 25, 65])
    # Counts above the active devices are not thresholds.
    np.testing.assert_array_equal(line(ax, "more").get_ydata(), [20, 35, 75])
    assert "range over hours and regions" in labels(ax)
    assert "detections" in labels(ax)
    assert "10 s" in ax.get_ylabel()
    one = counts.threshold_curves(thresholds(), region="b")
    np.testing.assert_array_equal(line(one, "lowest").get_ydata(), [10, 22, 62])
    assert "range over hours" in labels(one)
    alone = counts.threshold_curves(thresholds().isel(hour=[0]), region="a")
    np.testing.assert_array_equal(line(alone, "threshold").get_ydata(), [8, 20, 60])


def test_every_curve_lies_inside_the_axes():
    ax = counts.threshold_curves(thresholds(20), others={"less": thresholds(-6)})
    low, high = ax.get_ylim()
    assert low < 7
    assert high > 85


def test_hours_have_a_line_for_each_number_of_devices():
    ax = counts.threshold_hours(thresholds(), region="a", active=[100, 500])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [20, 21, 22, 23])
    assert {"100", "500"} <= set(texts(ax))
    both = counts.threshold_hours(thresholds())
    np.testing.assert_array_equal(both.lines[0].get_ydata(), [9, 10, 11, 12])


def test_budgets_name_regions_and_their_sum():
    ax = counts.budget(thresholds(), active=100)
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == ["b", "a"]
    assert any("0.5 of 1 a year" in text for text in texts(ax))
    share = next(each for each in ax.collections if each.get_label() == "share of the budget")
    np.testing.assert_allclose(share.get_offsets()[:, 0], 0.5)


def test_bars_hang_from_what_was_expected():
    ax = counts.rootogram(roots())
    bars = ax.patches[-4:]
    tops = [bar.get_y() + bar.get_height() for bar in bars]
    np.testing.assert_allclose(tops, np.sqrt([900, 90, 9, 0.9]))
    assert bars[1].get_y() == pytest.approx(np.sqrt(90) - 11)
    assert any("3 windows of 4 triggers or more" in text for text in texts(ax))


def test_misfits_outside_the_interval_are_filled():
    ax = counts.rootogram(roots(), form="misfit")
    outside = next(each for each in ax.collections if each.get_label() == "outside")
    np.testing.assert_allclose(outside.get_offsets(), [[1, np.sqrt(90) - 11]])
    low, high = ax.get_ylim()
    assert low < np.sqrt(90) - 11
    assert high > np.sqrt(9) - np.sqrt(8)


def test_levels_without_a_window_get_an_arrow():
    ax = counts.tail_calibration({"one": tail(), "other": tail(5)})
    assert {"observed, one", "observed, other"} <= set(labels(ax))
    left, right = ax.get_xlim()
    assert left > right
    points = [each for each in ax.containers if each.get_label() == "observed, one"]
    assert len(points[0][0].get_xdata()) == 2
    arrows = [each for each in ax.containers if not each.get_label().startswith("observed")]
    assert len(arrows) == 2


def test_histograms_stay_inside_their_axes():
    ax = counts.pit({"flat": transform(), "tilted": transform(0.8)})
    low, high = ax.get_ylim()
    assert low < 0.6
    assert high > 1.4
    assert {"flat", "tilted"} <= set(labels(ax))
    counts.pit(transform(), form="randomised").figure.canvas.draw()


def test_what_is_not_there_is_refused():
    with pytest.raises(ValueError, match="no region 'c'"):
        counts.threshold_curves(thresholds(), region="c")
    with pytest.raises(ValueError, match="several numbers"):
        counts.threshold_curves(thresholds().isel(active=0))
    with pytest.raises(ValueError, match="among"):
        counts.threshold_hours(thresholds(), active=[7])
    with pytest.raises(ValueError, match="active must be given"):
        counts.budget(thresholds())
    with pytest.raises(ValueError, match="among"):
        counts.budget(thresholds(), active=7)
    for draw, given in ((counts.rootogram, roots()), (counts.pit, transform())):
        with pytest.raises(ValueError, match="form is"):
            draw(given, form="square")
