"""Alert delays: likelihood against SciPy, recovery, censoring, predictions."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.detectability.history.delay import (
    AlertDelay,
    fit,
    pointwise_log_likelihood,
    predict,
    prepare,
    sample,
    simulate,
)

# What the tests share takes tens of seconds to compile.
pytestmark = pytest.mark.slow

KEY = jax.random.key(3)
TRUTH = AlertDelay(
    processing_s=(6.0, 10.0, 15.0),
    scatter_log_sd=(0.35, 0.35, 0.2),
    outlier_share=(0.08, 0.08, 0.08),
    travel_slope=0.3,
    alert_share=(0.9, 0.6, 0.8),
)


@pytest.fixture(scope="module")
def alerts():
    rng = np.random.default_rng(0)
    return simulate(KEY, TRUTH, rng.uniform(2.0, 15.0, 900), np.arange(900) % 3, window_s=40.0)


@pytest.fixture(scope="module")
def fitted(alerts):
    return fit(alerts)


def cumulative(row, system, delay_s):
    centre = np.log(np.asarray(TRUTH.processing_s)[system]) + 0.3 * np.log(row["travel_s"] / 5.0)
    laws = [
        stats.lognorm(wider * (0.35, 0.35, 0.2)[system], loc=row["travel_s"], scale=np.exp(centre))
        for wider in (1, 3)
    ]
    return 0.92 * laws[0].cdf(delay_s) + 0.08 * laws[1].cdf(delay_s)


def test_likelihood_is_that_of_scipy(alerts):
    with jax.enable_x64(True):
        own = jax.tree.map(lambda v: jnp.asarray(np.asarray(v), jnp.float64), vars(TRUTH))
        data = jax.tree.map(jnp.asarray, alerts.data)
        value = np.asarray(pointwise_log_likelihood(AlertDelay(**own), data))
    seen = {"alert": 0, "none": 0}
    for number, row in alerts.table.head(60).iterrows():
        system = alerts.systems.index(row["system"])
        share = float(TRUTH.alert_share[system])
        if np.isnan(row["delay_s"]):
            seen["none"] += 1
            wanted = np.log(1 - share * cumulative(row, system, 40.0))
        else:
            seen["alert"] += 1
            ends = [cumulative(row, system, row["delay_s"] + half) for half in (-0.5, 0.5)]
            wanted = np.log(share * (ends[1] - ends[0]))
        assert abs(value[number] - wanted) < 1e-5
    assert min(seen.values()) > 8


def test_the_truth_is_recovered(alerts, fitted):
    truth = {"travel_slope": 0.3}
    for number, system in enumerate(alerts.systems):
        truth[f"processing_s[{system}]"] = float(TRUTH.processing_s[number])
        truth[f"alert_share[{system}]"] = float(TRUTH.alert_share[number])
        truth[f"scatter_log_sd[{system}]"] = float(TRUTH.scatter_log_sd[number])
    for name, value in truth.items():
        error = fitted.standard_error[name]
        assert abs(fitted[name] - value) < 3.5 * error and error < 0.1 * max(value, 1.0), name


@pytest.mark.long
def test_censored_alerts_are_not_ignored():
    """Half of the alerts come too late: their share is estimated all the same."""
    truth = AlertDelay(processing_s=(20.0,), scatter_log_sd=(0.5,), alert_share=(0.95,))
    alerts = simulate(KEY, truth, np.full(3000, 5.0), window_s=25.0)
    assert alerts.table["delay_s"].isna().mean() > 0.45
    result = fit(alerts)
    error = result.standard_error["processing_s[s0]"]
    assert abs(result["processing_s[s0]"] - 20.0) < 3.5 * error


def test_predictions_cover_what_is_simulated(alerts, fitted):
    draws = fitted.draws(KEY, 500)
    rows = alerts.table[alerts.table["system"] == "s1"]
    curve = predict(KEY, draws, alerts, rows["travel_s"], "s1", quantiles=(0.05, 0.5, 0.95))
    known = rows["delay_s"].notna().to_numpy()
    low, _, high = curve["delay_s"].to_numpy()[known].T
    inside = rows["delay_s"][known].between(low - 0.5, high + 0.5)
    assert 0.85 < inside.mean() < 0.99
    assert curve["pooled_delay_s"].sizes == {"quantile": 3}


@pytest.mark.long
def test_nuts_agrees_with_the_fit(alerts, fitted):
    tree = sample(KEY, alerts, chains=2, draws=250, progress=False)
    for number, system in enumerate(alerts.systems):
        mean = float(tree["posterior"]["processing_s"][..., number].mean())
        assert abs(mean - fitted[f"processing_s[{system}]"]) < 0.5


def test_tables_are_checked():
    table = pd.DataFrame({"travel_s": [4.0, 6.0], "delay_s": [12.0, 300.0]})
    assert np.isnan(prepare(table, window_s=60.0).data.delay_s[1])
    with pytest.raises(InputError, match="no column 'delay_s'"):
        prepare(table[["travel_s"]])
    with pytest.raises(InputError, match=r"travel_s.*greater than 0"):
        prepare(table.assign(travel_s=0.0))
    with pytest.raises(InputError, match="no row is left"):
        prepare(table.assign(delay_s=0.5))
    with pytest.raises(InputError, match="AlertDelay: scatter_log_sd must be above 0"):
        AlertDelay(scatter_log_sd=(0.0,))
