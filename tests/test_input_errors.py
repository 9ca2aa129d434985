"""Every bad value, in any package, raises `eqstat.InputError`; the shell exits 2 for it."""

import os

import jax
import jaxtyping
import numpy as np
import pandas as pd
import pytest

import eqstat
from eqstat import calibration as cal
from eqstat import cli, counts, detection, exceedance, geodesy, hypocentre, inference, simulation
from eqstat import ground_motion as gm
from eqstat import traveltime as tt
from eqstat.counts import alarm, coincidence, scan
from eqstat.exceedance import alerts
from eqstat.ground_motion import mixture
from eqstat.velocity import ConstantVelocity, layered, load_velocity

# Where the types of arguments are checked, too, a wrong type is found before the value is.
REFUSED = (
    (eqstat.InputError, jaxtyping.TypeCheckError)
    if os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
    else eqstat.InputError
)
KEY = jax.random.key(0)
PLACE = pd.DataFrame({"latitude": [1.0, 1.1], "longitude": [2.0, 2.1]})
TRIGGERS = PLACE.assign(time=[1.8e9, 1.8e9 + 1])
SCORE, LABEL = [1.0, 2.0, 3.0, 4.0], [False, True, False, True]
HISTORY = pd.DataFrame(
    {"time": 1.8e9 + 60.0 * np.arange(6), "triggers": [0, 0, 1, 0, 0, 0], "active": 80}
)
BACKGROUND = counts.Background("poisson", 0.5)


def network():
    return simulation.from_table(PLACE)


BAD = {
    "calibration, probability": lambda: cal.binomial_interval(1, 10, probability=1.5),
    "calibration, text for a probability": lambda: cal.binomial_interval(1, 10, probability="a"),
    "calibration, larger": lambda: cal.auc(SCORE, LABEL, larger="up"),
    "calibration, labels": lambda: cal.auc(SCORE, [0, 1, 0, 1], larger="noise"),
    "calibration, NaN": lambda: cal.brier_score([np.nan, 0.5], [True, False]),
    "calibration, half a bin": lambda: cal.rank_uniformity([1, 2, 3, 4], 4, bins=2.5),
    "calibration, method": lambda: cal.recalibrate(SCORE, LABEL, larger="noise", method="magic"),
    "counts, family": lambda: counts.Background("normal", 0.5),
    "counts, rate": lambda: counts.Background("poisson", -1.0),
    "counts, text for a rate": lambda: counts.Background("poisson", "many"),
    "counts, JAX rate": lambda: counts.Background("poisson", jax.numpy.asarray(-1.0)),
    "counts, burst": lambda: counts.Bursts(2.0, 0.1, 8.0),
    "counts, region": lambda: BACKGROUND.index("nowhere"),
    "counts, table": lambda: counts.prepare(pd.DataFrame({"time": [1.8e9]})),
    "counts, no table": lambda: counts.prepare([1, 2, 3]),
    "counts, kind": lambda: alarm.threshold(BACKGROUND, 100, 12, kind="guess"),
    "counts, active": lambda: alarm.threshold(BACKGROUND, -5, 12, kind="plug-in"),
    "scan, half a trigger": lambda: scan.scan_tail(2.5, 1.0, 10.0),
    "scan, mean": lambda: scan.alm_log_rate(3, -1.0),
    "coincidence, probability": lambda: coincidence.Sensors.alike(
        3, rate_per_h=1.0, prior_hours=1.0, pick_probability=2.0
    ),
    "traveltime, table": lambda: tt.prepare(PLACE),
    "traveltime, now": lambda: tt.prepare(TRIGGERS, truncated=True),
    "traveltime, time": lambda: tt.prepare(TRIGGERS, now="soon"),
    "traveltime, depth": lambda: tt.GaussianParameters(0.0, 0.0, -5.0, 0.0),
    "traveltime, share": lambda: tt.MixtureParameters(0.0, 0.0, 5.0, 0.0, p_share=2.0),
    "traveltime, sum of shares": lambda: tt.MixtureParameters(
        0.0, 0.0, 5.0, 0.0, p_share=0.9, s_share=0.9
    ),
    "counts, family of a fit": lambda: counts.fit(HISTORY, family="normal"),
    "counts, no trigger": lambda: counts.fit(HISTORY.assign(triggers=0)),
    "exceedance, name of a file": lambda: exceedance.from_posterior("x.nc", 5.0),
    "traveltime, prior": lambda: tt.Prior(region_km=-1.0),
    "traveltime, error model": lambda: tt.regional.RegionalError(moho_depth_km=-3.0),
    "traveltime, miss probability": lambda: tt.classify(
        tt.prepare(TRIGGERS), miss_probability=0.0, delta_s=1.0
    ),
    "velocity, constant": lambda: ConstantVelocity(-6.0, 3.0),
    "velocity, name": lambda: load_velocity("mars"),
    "velocity, layers": lambda: layered([0.0, 0.0], [6.0, 8.0]),
    "ground motion, scatter": lambda: gm.GroundMotion(event_sd=-0.1),
    "ground motion, device": lambda: gm.event.Device(sd=-1.0),
    "ground motion, table": lambda: gm.prepare(PLACE),
    "ground motion, file": lambda: gm.load("no_such_file.eqstat"),
    "mixture, floor": lambda: mixture.from_logits(*np.zeros((3, 5)), floor=0.0),
    "ground motion, design": lambda: gm.Design(events=0),
    "exceedance, sources": lambda: exceedance.from_posterior(
        tt.prepare(TRIGGERS).triggers.to_xarray(), 5.0, magnitude_sd=-1.0
    ),
    "exceedance, level": lambda: alerts.alert_level(cost=3.0, loss=1.0),
    "exceedance, region": lambda: alerts.Design(stations=1),
    "detection, rate": lambda: detection.causes.gutenberg_richter_rate(
        4.0, rate_per_year=-1.0, above_magnitude=3.0
    ),
    "detection, network": lambda: detection.detector(PLACE.drop(columns="latitude")),
    "geodesy, latitude": lambda: geodesy.LocalFrame(91.0, 0.0),
    "geodesy, no place": lambda: geodesy.LocalFrame.around([], []),
    "hypocentre, probability": lambda: hypocentre.credible_region(
        hypocentre.from_draws([1.0] * 9, [2.0] * 9, [3.0] * 9), 1.5
    ),
    "inference, interval": lambda: inference.highest_density_level(np.array([0.5, 0.5]), 2.0),
    "simulation, count": lambda: simulation.simulate(
        KEY, network(), simulation.sources.UniformTriggers(0.1), 0
    ),
    "simulation, hour": lambda: simulation.simulate(
        KEY, network(), simulation.sources.UniformTriggers(0.1), 1, hour=25.0
    ),
    "simulation, box": lambda: simulation.uniform_box(KEY, 9, latitude=(3, 2), longitude=(1, 2)),
    "simulation, range": lambda: simulation.sources.Earthquakes(depth_km=(30.0, 10.0)),
    "simulation, share": lambda: simulation.sources.UniformTriggers(1.5),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_value_is_an_input_error(name):
    with pytest.raises(REFUSED) as caught:
        BAD[name]()
    assert isinstance(caught.value, jaxtyping.TypeCheckError) or "\n" not in str(caught.value)


@pytest.mark.parametrize("command", ["locate", "classify", "threshold", "detect", "calibrate"])
def test_the_shell_exits_2_for_a_table_that_lacks_its_columns(command, tmp_path, capsys):
    table = tmp_path / "table.csv"
    table.write_text("colour,taste\nred,sweet\n")
    extra = {
        "detect": ["--network", str(table)],
        "calibrate": ["--score", "s", "--larger", "earthquake"],
        "threshold": ["--active", "100"],
    }
    assert cli.main([command, str(table), *extra.get(command, [])]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_traced_values_pass_the_checks():
    rate = jax.jit(lambda p: counts.Bursts(p, 0.1, 8.0).probability)(2.0)
    depth = jax.vmap(lambda z: tt.GaussianParameters(0.0, 0.0, z, 0.0).depth_km)(np.full(2, -5.0))
    assert float(rate) == 2.0
    assert depth.tolist() == [-5.0, -5.0]
