"""Fitted models in files; files of networks are tested with the networks."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.ground_motion import GroundMotion, MotionPosterior, load, save
from eqstat.ground_motion.event import predict


def posterior(draws=6, regions=("north", "south")):
    rng = np.random.default_rng(0)
    motion = GroundMotion(
        level=rng.normal(-0.3, 0.1, draws),
        event_sd=rng.uniform(0.2, 0.4, draws),
        region_level=rng.normal(0, 0.1, (draws, len(regions))),
    )
    motion = jax.tree.map(
        lambda leaf: np.broadcast_to(np.asarray(leaf, np.float64), (draws, *leaf.shape[1:])), motion
    )
    mean, sd = rng.normal(0, 0.2, (draws, 3)), rng.uniform(0.05, 0.1, (draws, 3))
    ranges = (("magnitude", 4.0, 7.1), ("distance_km", 3.0, 150.0), ("depth_km", 1.0, 15.0))
    vs30 = np.array([400.0, np.nan, 900.0])
    return MotionPosterior(
        motion, mean, sd, vs30, np.array([0.1, 0.0, -0.1]), ("a", "b", "ü c"), regions, ranges
    )


def test_a_posterior_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "motion.eqx"
    save(posterior(), path)
    again = load(path)
    assert isinstance(again, MotionPosterior)
    for name in ("stations", "regions", "ranges"):
        assert getattr(again, name) == getattr(posterior(), name)
    for a, b in zip(*map(jax.tree.leaves, (posterior(), again)), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b))
    table = pd.DataFrame({"magnitude": [5.0] * 3, "distance_km": [20.0] * 3, "depth_km": [8.0] * 3,
                          "station": ["a", "b", "new"]})  # fmt: skip
    one, two = (predict(each, table, region="south", components=3) for each in (posterior(), again))
    np.testing.assert_array_equal(one.mean, two.mean)
    new = jnp.array([6.0]), jnp.array([30.0]), 8.0, jnp.nan
    given = dict(components=3)
    np.testing.assert_array_equal(
        posterior().predictor(**given)(*new).mean, again.predictor(**given)(*new).mean
    )


def test_a_damaged_posterior_is_told(tmp_path):
    path = tmp_path / "motion.eqx"
    save(posterior(), path)
    good = path.read_bytes()
    head, body = good.split(b"\n", 1)
    header = json.loads(head)
    shapes = {**header["shapes"], "terms": {**header["shapes"]["terms"], "station_sd": [6, 4]}}
    for broken in (
        good[:-30],
        good + b"x",
        json.dumps({**header, "shapes": shapes}).encode() + b"\n" + body,
    ):
        path.write_bytes(broken)
        with pytest.raises(InputError, match="damaged"):
            load(path)


@pytest.mark.parametrize("model", [GroundMotion(), "a fit"])
def test_what_is_no_model_is_told(tmp_path, model):
    with pytest.raises(InputError, match="posterior"):
        save(model, tmp_path / "motion.eqx")
    assert not (tmp_path / "motion.eqx").exists()


def test_what_a_posterior_covers():
    inside = posterior().covers(5.0, np.array([2.0, 50.0, 151.0]), 8.0)
    assert inside.tolist() == [False, True, False]
    assert not posterior().covers(7.2, 50.0, 8.0, 760.0)
