"""Tests of the size buckets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eqstat.inference import bucket_size, pad_rows


@given(count=st.integers(1, 100_000), smallest=st.sampled_from([1, 16, 64]))
def test_bucket_is_the_smallest_power_of_two_times_the_smallest_that_holds_all(count, smallest):
    size = bucket_size(count, smallest=smallest)
    steps = np.log2(size / smallest)
    assert steps == int(steps) >= 0
    assert size >= count
    assert size == smallest or size // 2 < count


def test_no_row_needs_no_bucket_and_negative_counts_are_refused():
    assert bucket_size(0) == 0
    assert bucket_size(1) == bucket_size(16) == 16
    assert bucket_size(17) == 32
    with pytest.raises(ValueError, match="must be a whole number from 0"):
        bucket_size(-1)


@given(
    count=st.integers(0, 7),
    extra=st.integers(0, 5),
    tail=st.sampled_from([(), (3,), (2, 2)]),
)
def test_padding_keeps_the_rows_and_fills_the_rest(count, extra, tail):
    values = np.arange(count * int(np.prod(tail)), dtype=np.float32).reshape(count, *tail) + 1
    padded = pad_rows(values, count + extra, -7)
    assert padded.shape == (count + extra, *tail)
    assert padded.dtype == values.dtype
    np.testing.assert_array_equal(padded[:count], values)
    assert np.all(padded[count:] == -7)


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="5 rows do not fit a bucket of 4"):
        pad_rows(np.zeros(5), 4)
