"""Range checks, JSON values and constants below all packages."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat._core.checks import (
    check_choice,
    check_fields,
    check_probability,
    check_range,
    check_whole,
)
from eqstat._core.constants import ACCELERATION_UNITS_M_S2, YEAR_S
from eqstat._core.json import to_plain


@pytest.mark.parametrize("ends", ["[]", "[)", "(]", "()"])
def test_ends_belong_to_the_interval_as_asked(ends):
    for value, closed in ((0, ends[0] == "["), (1, ends[1] == "]")):
        if closed:
            check_range("f", 0, 1, ends=ends, x=value)
        else:
            with pytest.raises(InputError, match="x must lie in"):
                check_range("f", 0, 1, ends=ends, x=value)


@pytest.mark.parametrize("value", [np.nan, np.inf, "1", None, [0.5, np.nan], jnp.array(-1.0)])
def test_what_is_no_number_in_range_is_refused(value):
    with pytest.raises(InputError, match="f: x must"):
        check_range("f", 0, x=value)


def test_infinity_passes_where_it_may():
    check_range("f", 0, finite=False, x=np.inf)


def test_a_long_array_is_not_printed():
    with pytest.raises(InputError, match=r"not -1 \(place 7\)"):
        check_range("f", 0, x=np.r_[np.ones(7), -1.0, np.ones(5)])


@pytest.mark.parametrize("value", [2.5, True, -1, 11, np.nan, "3"])
def test_only_whole_numbers_pass(value):
    with pytest.raises(InputError, match=r"whole number from 0 to 10|must be a number"):
        check_whole("f", 0, 10, n=value)
    check_whole("f", 0, 10, n=np.int64(3))


def test_a_probability_is_one_number():
    with pytest.raises(InputError, match="one number"):
        check_probability("f", p=[0.1, 0.2])


def test_choices_are_named():
    with pytest.raises(InputError, match="f: x must be 'a', 'b' or 'c', not 'd'"):
        check_choice("f", ("a", "b", "c"), x="d")


def test_a_pair_must_be_in_order():
    class Box:
        depth_km = (30.0, 10.0)

    with pytest.raises(InputError, match="two numbers in order"):
        check_fields(Box(), depth_km=(0, 700))


def test_traced_values_pass():
    def checked(x):
        check_range("f", 0, 1, x=x)
        check_whole("f", 0, x=x)
        return x

    assert float(jax.jit(checked)(5.5)) == 5.5


def test_plain_values_are_what_json_knows():
    value = {
        1: np.float32(0.5),
        "time": pd.Timestamp("2027-01-15T09:00:00+01:00"),
        "none": [np.nan, pd.NaT, (np.int64(3), True)],
        "array": np.array([1.0, np.inf]),
    }
    plain = to_plain(value)
    assert plain == {
        "1": 0.5,
        "time": "2027-01-15T08:00:00.000Z",
        "none": [None, None, [3, True]],
        "array": [1.0, None],
    }
    json.dumps(plain, allow_nan=False)


def test_units():
    assert YEAR_S == 365.25 * 86400
    assert ACCELERATION_UNITS_M_S2["%g"] == 0.0980665
