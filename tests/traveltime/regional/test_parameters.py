"""The regional error model: its numbers, their ranges, and their file."""

import json

import jax
import jax.numpy as jnp
import pytest

from eqstat import InputError
from eqstat.traveltime.regional import RegionalError
from eqstat.traveltime.regional._parameters import FIELDS, TAILS


def test_numbers_survive_json_and_the_real_line(tmp_path):
    tails = dict(tail_content=(0.25, 1.0), tail_picks=(12, 31))
    error = RegionalError(moho_depth_km=37.5, outlier_probability=0.003, **tails)
    path = tmp_path / "region.json"
    text = error.to_json(path)
    assert RegionalError.from_json(text) == error == RegionalError.from_json(path)
    with jax.enable_x64(True):
        back = RegionalError.from_free(jnp.asarray(error.to_free()))
        for field in FIELDS:
            assert float(getattr(back, field.name)) == pytest.approx(getattr(error, field.name))


def test_fields_and_defaults_agree():
    error = RegionalError()
    assert {*TAILS, *(f.name for f in FIELDS)} == set(vars(error))
    assert all(getattr(error, f.name) == f.centre for f in FIELDS)
    assert all(getattr(error, name) == () for name in TAILS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"moho_depth_km": -1.0}, "moho_depth_km"),
        ({"outlier_probability": 1.0}, "lie in .0, 1"),
        ({"crust_p_scatter_s": float("nan")}, "crust_p_scatter_s"),
        ({"mantle_p_velocity_km_s": 6.0}, "must exceed"),
        ({"tail_content": (1.5,), "tail_picks": (9,)}, "tail_content"),
        ({"tail_content": (0.5, 0.2), "tail_picks": (9,)}, "of one length"),
    ],
)
def test_numbers_out_of_range_are_refused(change, said):
    with pytest.raises(InputError, match=said):
        RegionalError(**change)


@pytest.mark.parametrize("text", ["no", "[]", "{}", '{"format": "eqstat regional error 1"}'])
def test_bad_json_is_refused(text):
    with pytest.raises(InputError, match="regional error"):
        RegionalError.from_json(text)


def test_json_with_a_stranger_is_refused():
    numbers = json.loads(RegionalError().to_json()) | {"colour": 1.0}
    with pytest.raises(InputError, match="colour"):
        RegionalError.from_json(json.dumps(numbers))
