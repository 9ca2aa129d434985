"""Figures of shaking and alarms draw what the datasets say."""

import jax
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from matplotlib.figure import Figure

from eqstat import calibration
from eqstat.exceedance import Sources, alerts, shaking, shaking_map
from eqstat.ground_motion import PointSource, attenuation
from eqstat.plots import exceedance as plots

KEY, MODEL = jax.random.key(0), PointSource()


@pytest.fixture(scope="module")
def shaken():
    """A source at the antimeridian, its map and some sites."""
    rng = np.random.default_rng(0)
    place = rng.normal([-17, 179.95], 0.06, (100, 2))
    sources = Sources(*place.T, rng.uniform(5, 20, 100), rng.normal(6.2, 0.2, 100))
    sites = pd.DataFrame({"site": [f"s{i}" for i in range(20)],
                          "latitude": -17 + rng.uniform(-0.5, 0.5, 20),
                          "longitude": 180 + rng.uniform(-0.5, 0.5, 20)})  # fmt: skip
    threshold = [0.49, 0.98]
    axes = np.linspace(-17.6, -16.4, 15), np.linspace(179.4, 180.6, 17)
    return (shaking_map(MODEL, sources, *axes, threshold),
            shaking(MODEL, sources, sites, threshold), sources)  # fmt: skip


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, label):
    (found,) = [each for each in ax.lines if str(each.get_label()).startswith(label)]
    return found


def test_map_holds_grid_sites_and_draws(shaken):
    grid, sites, sources = shaken
    ax = plots.exceedance_map(grid, threshold=1, sites=sites, sources=sources, truth=(-17.0, 180.0))
    assert ax.get_xlim() == pytest.approx((179.4, 180.6), abs=0.01)
    assert {"S, after the origin", "site", "epicentre, draws", "true epicentre"} == set(texts(ax))
    drawn = line(ax, "site")
    np.testing.assert_allclose(drawn.get_ydata(), sites["latitude"])
    assert np.all((drawn.get_xdata() > 179.4) & (drawn.get_xdata() < 180.6))
    bar = ax.figure.axes[-1]
    assert bar.get_ylabel() == "Probability of PGA > 9.99 %g"
    # The darkest class is where the probability is.
    (fill,) = [each for each in ax.collections if len(getattr(each, "levels", ())) == 9]
    assert fill.levels[-1] == 1.0
    times = [text.get_text() for text in ax.texts]
    assert any(text.endswith(" s") for text in times)


@pytest.mark.slow
def test_attenuation_is_the_dataset():
    curves = [attenuation(MODEL, m) for m in (5.0, 6.0)]
    data = pd.DataFrame({"distance_km": [20.0, 50, 80], "pga_m_s2": [0.5, 0.1, 0.05],
                         "magnitude": [5.1, 5.9, 7.0]})  # fmt: skip
    ax = plots.attenuation(curves, data=data, thresholds_m_s2=[0.0980665])
    np.testing.assert_array_equal(line(ax, "M 5").get_ydata(), curves[0]["median_m_s2"])
    points = [each for each in ax.lines if each.get_linestyle() == "None"]
    assert [each.get_xdata().tolist() for each in points] == [[20.0], [50.0]]
    assert ax.get_xscale() == ax.get_yscale() == "log"
    assert "1 %g" in [text.get_text() for text in ax.texts]
    named = plots.attenuation({"generic": curves[0]}, data=data)
    assert texts(named) == ["3 records", "generic"]


def test_pit_has_density_one():
    rng = np.random.default_rng(0)
    ax = plots.pit(rng.uniform(size=1000), bins=10)
    (steps,) = [each for each in ax.patches if hasattr(each, "get_data")]
    assert steps.get_data().values.mean() == pytest.approx(1.0)
    low, high = (ax.patches[0].get_y(), ax.patches[0].get_y() + ax.patches[0].get_height())
    assert low == pytest.approx(1 - 1.645 * np.sqrt(0.09), abs=0.5)
    assert low < 1 < high
    assert "90 % interval, pointwise" in texts(ax)


def test_reliability_has_a_curve_for_each_threshold():
    rng = np.random.default_rng(0)
    chance = rng.random(400)
    curves = {
        name: calibration.reliability(KEY, chance, rng.random(400) < chance**power)
        for name, power in (("1 %g", 1.0), ("5 %g", 2.0))
    }
    ax = plots.reliability(curves)
    for name, curve in curves.items():
        np.testing.assert_array_equal(line(ax, name).get_ydata(), curve["observed"])
    assert "90 % interval" in ax.get_xlabel()


def scored(seed):
    rng = np.random.default_rng(seed)
    passed = np.where(rng.random(300) < 0.3, rng.uniform(3, 9, 300), np.inf)
    chance = np.clip(rng.random((300, 6)) * 0.7 + 0.3 * np.isfinite(passed)[:, None], 0, 1)
    return np.arange(6.0), chance, passed, np.arange(300) // 10


def test_precision_and_recall_mark_the_greatest_f1():
    time, chance, passed, event = scored(0)
    curve = alerts.metrics_by_level(
        KEY, time, chance, passed, event, level=[0.3, 0.6, 0.9], replicates=40
    )
    point = alerts.metrics(KEY, alerts.alarm_times(time, chance, 0.5), passed, event, replicates=40)
    none = alerts.metrics(KEY, np.full(300, np.inf), np.full(300, np.inf), event, replicates=20)
    ax = plots.precision_recall({"rule": curve, "one": point, "none": none})
    top = int(np.argmax(curve["f1"].values))
    mark = line(ax, "rule")
    assert mark.get_xdata()[0] == float(curve["recall"][top])
    assert mark.get_ydata()[0] == float(curve["precision"][top])
    assert texts(ax) == [f"rule, F1 {float(curve['f1'].max()):.2f}",
                         f"one, F1 {float(point['f1']):.2f}"]  # fmt: skip


def test_lead_times_start_at_the_recall():
    lead = np.array([1.0, 2.0, 3.0, -1.0, np.nan, -np.inf])
    ax = plots.lead_times({"rule": lead, "never": np.full(6, np.nan)})
    drawn = line(ax, "rule, median 2.0 s")
    assert drawn.get_ydata()[0] == pytest.approx(0.5)
    assert drawn.get_ydata()[-1] == pytest.approx(1 / 6)
    assert np.all(line(ax, "never").get_ydata() == 0)


def test_sites_are_in_order_of_their_shaking(shaken):
    _, sites, _ = shaken
    ax = plots.site_intervals(sites, names=["five"])
    shown = [text.get_text() for text in ax.get_yticklabels()]
    order = np.argsort(-sites["pga_quantile_m_s2"].values[:, 1])[:15]
    assert shown == [str(sites["site"].values[i]) for i in order]
    told = [text.get_text() for text in ax.texts]
    assert {"five", "9.99 %g", "until S"} <= set(told)


def test_all_in_one_figure(shaken, tmp_path):
    grid, sites, sources = shaken
    figure = plots.exceedance_figure(grid, sites=sites, sources=sources, title="Title")
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "f.png")
    assert (tmp_path / "f.png").stat().st_size > 10_000
    flat = grid.assign(probability=xr.zeros_like(grid["probability"]))
    plots.exceedance_map(flat).figure.savefig(tmp_path / "g.png")


def test_what_cannot_be_drawn_is_told(shaken):
    grid, sites, _ = shaken
    with pytest.raises(ValueError, match="threshold 2: the grid has 2"):
        plots.exceedance_map(grid, threshold=2)
    with pytest.raises(ValueError, match="two latitudes"):
        plots.exceedance_map(grid.isel(latitude=[0]))
    with pytest.raises(ValueError, match="three quantiles"):
        plots.site_intervals(sites.isel(quantile=[0, 2]))
    for draw in (plots.precision_recall, plots.attenuation):
        with pytest.raises(ValueError, match="no curve"):
            draw({})
