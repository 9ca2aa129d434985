"""A background in a file is the same background; other files are refused."""

import json

import jax
import numpy as np
import pytest

from eqstat import InputError
from eqstat.counts import Background, load, save

from . import cases


@pytest.mark.parametrize("family", ["poisson", "beta_binomial"])
@pytest.mark.parametrize("draws", [0, 3])
def test_a_background_survives_its_file(tmp_path, family, draws):
    background = cases.truth(family, bursts=True)
    if draws:
        rng = np.random.default_rng(1)
        background = jax.tree.map(
            lambda leaf: np.asarray(leaf) * (1 + rng.random((draws, *np.shape(leaf)))) / 3,
            background,
        )
    save(background, tmp_path / "background.json")
    again = load(tmp_path / "background.json")
    assert (again.family, again.regions, again.window_s) == (family, background.regions, 10.0)
    for one, other in zip(jax.tree.leaves(background), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "eqstat catalogue"}, "this is 'eqstat catalogue'"),
        ({"version": 2}, "its version is 2"),
        ({"family": "normal"}, "damaged"),
        ({"parameters": {}}, "damaged"),
        ({"parameters": {"rate_per_device_h": "much"}}, "damaged"),
    ],
)
def test_other_files_are_refused(tmp_path, change, message):
    path = tmp_path / "background.json"
    save(Background("poisson", 1.0), path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError, match=message):
        load(path)


def test_what_is_no_background_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "nothing.json")
    (tmp_path / "text.json").write_text("[1, 2]")
    with pytest.raises(InputError, match="no background"):
        load(tmp_path / "text.json")
    with pytest.raises(InputError, match="cannot write"):
        save({"rate": 1.0}, tmp_path / "text.json")
