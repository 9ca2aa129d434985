"""Figures of calibration draw what the datasets say."""

import jax
import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import special

from eqstat import calibration
from eqstat.plots import calibration as plots

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def case():
    rng = np.random.default_rng(0)
    label = np.arange(160) < 60
    score = rng.normal(size=160) + 1.5 * label
    curve = calibration.roc(score, label, larger="earthquake")
    found = [
        calibration.at_miss_probability(score, label, 0.05, larger="earthquake"),
        calibration.at_false_alarm_probability(score, label, 0.001, larger="earthquake"),
        calibration.of_least_total(KEY, score, label, larger="earthquake", replicates=30),
    ]
    return score, label, curve, found


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, label):
    (found,) = [each for each in ax.lines if each.get_label() == label]
    return found


def test_curve_and_thresholds_are_those_given(case):
    _, _, curve, found = case
    ax = plots.roc(curve, thresholds=found)
    drawn = line(ax, f"area {curve.attrs['auc']:.3f}")
    np.testing.assert_array_equal(drawn.get_xdata(), curve["false_alarm_probability"])
    np.testing.assert_array_equal(drawn.get_ydata(), curve["detection_probability"])
    mark = line(ax, "fixed misses")
    assert mark.get_ydata()[0] == pytest.approx(1 - found[0].miss_probability.estimate)
    assert "90 % interval" in texts(ax)


def test_det_is_on_the_normal_scale(case):
    _, _, curve, found = case
    ax = plots.det(curve, thresholds=found)
    mark = line(ax, "least total")
    assert mark.get_xdata()[0] == pytest.approx(
        special.ndtri(found[2].false_alarm_probability.estimate)
    )
    # No false alarm has no place there: half a detection of a hundred stands for it.
    assert line(ax, "fixed false alarms").get_xdata()[0] == pytest.approx(special.ndtri(0.005))
    assert all(np.all(np.isfinite(each.get_xydata())) for each in ax.lines)
    ticks = ax.get_xticks()
    labels = [float(text.get_text()) for text in ax.get_xticklabels()]
    np.testing.assert_allclose(special.ndtr(ticks), labels)


@pytest.mark.parametrize("larger", ["earthquake", "noise"])
def test_rates_step_where_thresholds_do(larger):
    score, label = np.array([1.0, 2.0, 3.0, 4.0]), np.array([False, True, False, True])
    curve = calibration.roc(score, label, larger=larger)
    ax = plots.rates(curve)
    steps = line(ax, "missed")
    style = "steps-pre" if larger == "earthquake" else "steps-post"
    assert steps.get_drawstyle() == style
    own = calibration.error_rates(score, label, score, larger=larger)["miss_probability"]
    np.testing.assert_array_equal(steps.get_ydata(), own)


def test_scores_of_both_classes_are_drawn(case):
    score, label, _, found = case
    ax = plots.scores(score, label, thresholds=found, label="log odds")
    assert texts(ax)[:2] == ["60 earthquakes", "100 noise"]
    assert ax.get_xlabel() == "log odds"
    drawn = [each.get_xdata()[0] for each in ax.lines]
    assert drawn == [each.value for each in found]


@pytest.mark.parametrize("form", ["corp", "bins"])
def test_reliability_is_that_given(form):
    rng = np.random.default_rng(1)
    p = rng.random(100)
    curve = calibration.reliability(KEY, p, rng.random(100) < p, form=form, replicates=40)
    ax = plots.reliability(curve, forecast=p, note="a line")
    np.testing.assert_array_equal(line(ax, "observed").get_ydata(), curve["observed"])
    assert "if true, 90 % interval" in texts(ax)
    assert ax.texts[0].get_text() == "a line"


def test_ranks_are_drawn_with_their_bands():
    found = calibration.rank_uniformity(np.arange(200) % 50, 49, bins=10)
    ax = plots.rank_histogram(found)
    assert texts(ax)[1] == "ranks, p = 1.000"
    ax = plots.rank_ecdf(found)
    assert texts(ax)[0] == "95 % band, all at once"
    drawn = ax.lines[0].get_xydata()
    np.testing.assert_allclose(drawn[1:-1, 1], found.ecdf["difference"])


def test_one_figure_holds_all(case, tmp_path):
    score, label, curve, found = case
    figure = plots.calibration_figure(score, label, curve, found)
    assert isinstance(figure, Figure)
    assert len(figure.axes) == 3
    p = special.expit(score - 0.75)
    reliable = calibration.reliability(KEY, p, label, replicates=40)
    figure = plots.calibration_figure(
        score, label, curve, found, reliable=reliable, forecast=p, note="n", title="t"
    )
    assert len(figure.axes) == 4
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 10_000
