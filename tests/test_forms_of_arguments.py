"""Arguments in the wrong form: one `InputError` that names them; obvious forms are accepted."""

import os

import jax
import jaxtyping
import numpy as np
import pandas as pd
import pytest

import eqstat
from eqstat import counts, detection, ground_motion, hypocentre, schema, simulation, velocity
from eqstat import traveltime as tt
from eqstat.counts import alarm, scan
from eqstat.detection import causes
from eqstat.simulation import sources

from .traveltime import cases

# Where the types of arguments are checked, too, a wrong type is found before the value is.
CHECKED = os.environ.get("EQSTAT_CHECK_TYPES", "0") not in ("", "0")
REFUSED = (eqstat.InputError, jaxtyping.TypeCheckError) if CHECKED else eqstat.InputError
KEY = jax.random.key(0)
TABLE = cases.quake(12, 3, sd_s=0.3)
OBSERVATIONS = tt.prepare(TABLE)
BACKGROUND = counts.Background("poisson", 1.0)
WRONG = {
    "likelihood": (lambda: tt.grid(OBSERVATIONS, likelihood="mix"), "did you mean 'mixture'"),
    "likelihood of fit": (lambda: tt.fit(OBSERVATIONS, likelihood="Gauss"), "'gaussian'"),
    "wave": (lambda: tt.fit(OBSERVATIONS, wave="p"), "wave must be 'P' or 'S'"),
    "wave of prepare": (lambda: tt.prepare(TABLE, wave="X"), "wave must be"),
    "swapped": (lambda: tt.sample(OBSERVATIONS, KEY), "key must be a JAX random key"),
    "swapped compare": (lambda: tt.comparison.compare(OBSERVATIONS, KEY), "key must be"),
    "a seed": (lambda: tt.sample(0, OBSERVATIONS), "key must be a JAX random key"),
    "counts swapped": (lambda: counts.sample(TABLE, KEY), "key must be"),
    "counts simulate": (lambda: counts.simulate(BACKGROUND, KEY, None), "key must be"),
    "motions swapped": (lambda: ground_motion.sample(TABLE, KEY), "key must be"),
    "motions simulate": (lambda: ground_motion.simulate(7, None), "key must be"),
    "streams": (lambda: simulation.simulate(1, None, None, 3), "key must be"),
    "streams of a detector": (lambda: detection.simulate(1, None, 3), "key must be"),
    "draws": (lambda: hypocentre.draw(0, None, 3), "key must be"),
    "observations": (lambda: tt.fit("table.csv"), "prepare"),
    "observations of grid": (lambda: tt.grid(TABLE["time"]), "prepare"),
    "observations of classify": (lambda: tt.classify(None), "prepare"),
    "history": (lambda: counts.fit([1, 2, 3]), "prepare"),
    "motions": (lambda: ground_motion.fit({"pga": 1}), "prepare"),
    "report of a table": (lambda: tt.report(TABLE, None), "prepare"),
    "report of nothing": (lambda: tt.report(OBSERVATIONS, None), "result cannot be"),
    "velocity name": (lambda: tt.prepare(TABLE, velocity="iasp19"), "did you mean 'iasp91'"),
    "velocity in m/s": (lambda: tt.prepare(TABLE, velocity=6000.0), "velocity_km_s must lie"),
    "velocity table": (lambda: tt.prepare(TABLE, velocity=TABLE), "velocity must be"),
    "velocity array": (lambda: tt.prepare(TABLE, velocity=np.ones(3)), "velocity must be"),
    "centre": (lambda: tt.prepare(TABLE, centre="Lima", max_distance_km=9), "centre must be"),
    "centre beyond": (lambda: tt.prepare(TABLE, centre=(-77.0, 400.0), max_distance_km=9), "long"),
    "prior of grid": (lambda: tt.grid(OBSERVATIONS, prior={"depth": 3}), "prior cannot be"),
    "prior of fit": (lambda: tt.fit(OBSERVATIONS, prior=TABLE), "use `Prior"),
    "prior of sample": (lambda: tt.sample(KEY, OBSERVATIONS, prior="flat"), "use `Prior"),
    "prior of compare": (lambda: tt.comparison.compare(KEY, TABLE, prior=3), "use `Prior"),
    "depths of a prior": (lambda: tt.Prior(depth=(0.0, 100.0)), "dist.Uniform"),
    "several deltas": (lambda: tt.classify(OBSERVATIONS, delta_s=[1.0, 2.0]), "one number"),
    "hypocentre of a table": (lambda: tt.to_hypocentre(OBSERVATIONS, TABLE), "result cannot be"),
    "design": (lambda: tt.simulate(KEY, None, None), "params cannot be"),
    "regional report": (lambda: tt.regional.report(TABLE), "regional.locate"),
    "regional learning": (lambda: tt.regional.learn("picks.csv", TABLE), "picks cannot be"),
    "file of nothing": (lambda: schema.read_table(None), "name of a file"),
    "table in a file": (lambda: schema.read_table(TABLE), "name of a file"),
    "renamed text": (lambda: schema.rename_columns("a.csv", {}), "pandas DataFrame"),
    "hypocentre in nothing": (lambda: hypocentre.read(None), "name of a file"),
    "hypocentre to nothing": (lambda: hypocentre.write(None, None), "name of a file"),
    "background of nothing": (lambda: counts.load(TABLE), "name of a file"),
    "motions of nothing": (lambda: ground_motion.load(3), "name of a file"),
    "threshold of a table": (lambda: alarm.threshold(TABLE, 50, 12), "give a `Background`"),
    "scorer of a name": (lambda: alarm.scorer("background.json"), "give a `Background`"),
    "score of a background": (lambda: alarm.score(BACKGROUND, 3, 50, 12), "scorer(background)"),
    "check of a table": (lambda: counts.checks.loo(BACKGROUND, TABLE), "history cannot be"),
    "check of nothing": (lambda: counts.checks.rootogram(None, None), "give a `Background`"),
    "rates of nothing": (lambda: scan.log_false_alarms_per_year(None, 3, 50), "`Background`"),
    "event of a table": (lambda: ground_motion.event.condition(TABLE, TABLE), "posterior(key"),
    "rate of a fit": (lambda: detection.background_rate(None), "`counts.Background`"),
    "velocity pair": (lambda: tt.prepare(TABLE, velocity=(6.0, 3.5)), "velocity must be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_form_is_one_error_that_names_it(name):
    call, text = WRONG[name]
    with pytest.raises(REFUSED) as caught:
        call()
    if not CHECKED:
        assert text in str(caught.value)


@pytest.mark.parametrize("probability", [90, 0.0, 1.5, float("nan"), "0.9"])
@pytest.mark.slow
def test_a_report_refuses_what_is_no_probability(probability):
    with pytest.raises(REFUSED):
        tt.report(OBSERVATIONS, tt.fit(OBSERVATIONS, throw=False), probability=probability)


def test_a_table_is_as_good_as_what_prepare_makes_of_it():
    assert tt.fit(TABLE, throw=False).estimate == pytest.approx(
        tt.fit(OBSERVATIONS, throw=False).estimate
    )
    assert tt.classify(TABLE).is_earthquake == tt.classify(OBSERVATIONS).is_earthquake
    windows = pd.DataFrame({"time": 1.8e9 + 60.0 * np.arange(2000), "active": 50,
                            "triggers": np.random.default_rng(0).poisson(0.5, 2000)})  # fmt: skip
    options = {"family": "poisson", "slow": False}
    assert counts.fit(windows, **options).estimate == pytest.approx(
        counts.fit(counts.prepare(windows), **options).estimate
    )


def test_a_velocity_is_a_model_a_name_or_a_number():
    by_name = tt.prepare(TABLE, velocity="iasp91").data.velocity
    distance = np.array([50.0, 200.0])
    expected = velocity.load_velocity("iasp91").travel_time(distance, 10.0)
    np.testing.assert_allclose(by_name.travel_time(distance, 10.0), expected, rtol=1e-6)
    for made in (
        tt.prepare(TABLE, velocity=6.0).data.velocity,
        causes.earthquake(velocity=6.0).velocity,
        causes.default_causes(velocity=6)[0].velocity,
        sources.Earthquakes(velocity=6.0).velocity,
        sources.blasts(velocity=6.0).velocity,
        tt.Design(latitude=np.zeros(1), longitude=np.zeros(1), velocity=6.0).velocity,
    ):
        p_s, s_s = made.travel_time(60.0, 0.0)
        assert float(p_s) == pytest.approx(10.0, rel=1e-4)
        assert float(s_s) == pytest.approx(17.3, rel=1e-4)
    assert velocity.as_velocity("constant") == velocity.ConstantVelocity()
    assert velocity.as_velocity(None) == velocity.ConstantVelocity()
