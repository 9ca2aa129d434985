"""Tables of ground motions: units by plausibility, distances, depths, sites that are not known."""

import warnings

import numpy as np
import pandas as pd
import pytest

from eqstat import InputError
from eqstat.datasets._loaders import load_ridgecrest
from eqstat.schema import TableWarning, check_ground_motions
from eqstat.schema._ground_motions import expected_log10_pga


def motions(events=30, records=20, seed=0):
    """Made-up records with event terms, about the broad expectation."""
    rng = np.random.default_rng(seed)
    magnitude = np.repeat(rng.uniform(3.5, 7.5, events), records)
    distance = np.exp(rng.uniform(np.log(12), np.log(200), events * records))
    off = np.repeat(rng.normal(0, 0.3, events), records) + rng.normal(0, 0.3, events * records)
    return pd.DataFrame(
        {
            "event": np.repeat([f"e{i}" for i in range(events)], records),
            "magnitude": magnitude,
            "depth_km": np.repeat(rng.uniform(2, 11, events), records),
            "distance_km": distance,
            "pga_m_s2": 10 ** (expected_log10_pga(magnitude, distance) + off),
        }
    )


def test_a_good_table_is_kept_as_it_is():
    table = motions()
    checked = check_ground_motions(table)
    pd.testing.assert_frame_equal(checked, table, check_dtype=False)
    assert checked.attrs["notes"] == []


@pytest.mark.parametrize(
    ("factor", "unit"),
    [(1 / 0.0980665, "%g"), (100.0, "Gal"), (1 / 9.80665, "in g?"), (1 / 0.00980665, "mg")],
)
def test_another_unit_is_caught_and_named(factor, unit):
    table = motions()
    table["pga_m_s2"] *= factor
    with pytest.raises(InputError, match="cannot be in m/s2") as caught:
        check_ground_motions(table, name="my records")
    assert unit in str(caught.value)
    assert str(caught.value).startswith("my records: column 'pga_m_s2'")
    assert "multiply %g by 0.0980665" in str(caught.value)
    assert len(check_ground_motions(table, check_unit=False)) == len(table)


@pytest.mark.parametrize("decades", [-0.65, -0.6])
def test_many_events_that_are_all_a_little_off_are_noted(decades):
    # In g, of a region whose motions are twice those of others.
    table = motions(60, seed=1)
    (note,) = check_ground_motions(table.assign(pga_m_s2=table["pga_m_s2"] * 10**decades)).attrs[
        "notes"
    ]
    assert "which few regions and events can be; is it in" in note


def test_one_strong_event_is_noted_not_refused():
    table = motions(1)
    table["pga_m_s2"] *= 10 / np.median(
        table["pga_m_s2"]
        / 10 ** expected_log10_pga(table["magnitude"].to_numpy(), table["distance_km"].to_numpy())
    )
    (note,) = check_ground_motions(table).attrs["notes"]
    assert "is it in %g?" in note
    table.loc[3, "pga_m_s2"] = 120.0
    with pytest.raises(InputError, match=r"more than 100 m/s2.*row 3"):
        check_ground_motions(table)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("distance_km", -4.0, "greater than 0 km (row 7: -4.0); give the distance from the hypoc"),
        ("distance_km", 30_000.0, "at most 20100 km (row 7: 30000.0); give the distance from the "),
        ("distance_km", 1.0, "is less than the depth"),
        ("distance_km", np.nan, "missing values"),
        ("depth_km", -12.0, "must lie in [-9, 800] km"),
        ("depth_km", 9.9, "differs from that of an earlier row of the same event"),
        ("magnitude", 3.1, "differs from that of an earlier row of the same event"),
        ("pga_m_s2", 0.0, "greater than 0 m/s2"),
        ("vs30_m_s", -1.0, "leave it empty (NaN)"),
        ("vs30_m_s", 0.4, "leave it empty (NaN)"),
    ],
)
def test_bad_values_are_named(column, value, words):
    table = motions().assign(vs30_m_s=400.0)
    table.loc[7, column] = value
    with pytest.raises(InputError) as caught:
        check_ground_motions(table)
    assert words in str(caught.value)


@pytest.mark.parametrize("nearer", [1.0, 0.02])
def test_distances_in_metres_are_refused(nearer):
    table = motions()
    table["depth_km"] = 0.001
    table["distance_km"] = np.minimum(1000 * nearer * table["distance_km"], 19_000.0)
    with pytest.raises(InputError, match=r"column 'distance_km': .* if these are in m; divide"):
        check_ground_motions(table)
    assert len(check_ground_motions(table, check_unit=False)) == len(table)


def test_depths_with_the_wrong_sign():
    table = motions()
    table["depth_km"] = -table["depth_km"] / 2
    with pytest.raises(InputError, match="every depth lies above the surface"):
        check_ground_motions(table)


def test_unknown_sites_are_noted():
    table = motions().assign(vs30_m_s=400.0)
    table.loc[:4, "vs30_m_s"] = np.nan
    checked = check_ground_motions(table)
    assert checked["vs30_m_s"].isna().sum() == 5
    assert checked.attrs["notes"] == ["ground motions: vs30_m_s is not known in 5 of 600 rows"]


def mixed(column, share, factor):
    """Records of which some events or stations are in another unit, and their number."""
    table = motions(events=40).assign(station=[f"s{n % 20}" for n in range(800)])
    names = sorted(table[column].unique())
    other = names[: int(share * len(names))]
    table.loc[table[column].isin(other), "pga_m_s2"] *= factor
    return table, f"{len(other)} of {len(names)} {column}s"


@pytest.mark.parametrize(
    ("column", "share", "factor", "unit"),
    [
        ("event", 0.2, 100.0, "Gal"),
        ("event", 0.4, 100.0, "Gal"),
        ("station", 0.3, 100.0, "Gal"),
        ("station", 0.3, 1 / 0.0980665, "%g"),
    ],
)
def test_units_mixed_within_a_table_are_caught(column, share, factor, unit):
    table, counted = mixed(column, share, factor)
    with pytest.raises(InputError, match=f"{counted}.*in {unit}"):
        check_ground_motions(table)
    check_ground_motions(table, check_unit=False)


@pytest.mark.filterwarnings("ignore::eqstat.schema.TableWarning")
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_rows_in_gal_whatever_their_event_are_caught(share):
    table = motions(events=40)
    other = np.random.default_rng(0).random(len(table)) < share
    table.loc[other, "pga_m_s2"] *= 100.0
    with pytest.raises(InputError, match=r"PGA of \d+ (of \d+ rows|of 40 events).* in Gal"):
        check_ground_motions(table)
    check_ground_motions(table, check_unit=False)


def test_a_few_odd_records_among_many_are_a_warning():
    table = motions(events=40)
    first = table["event"] == table["event"].iloc[0]
    odd = table[~first | (first.cumsum() <= 3)].copy()
    odd.loc[odd["event"] == table["event"].iloc[0], "pga_m_s2"] *= 100.0
    with pytest.warns(TableWarning, match="1 of 40 events .* ratio of two units"):
        assert len(check_ground_motions(odd)) == len(odd)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.7])
def test_events_of_which_some_are_in_percent_g_are_never_silent(share):
    """Between-event scatter hides which they are; that it is too large shows."""
    table, _ = mixed("event", share, 1 / 0.0980665)
    with warnings.catch_warnings():
        warnings.simplefilter("error", TableWarning)
        with pytest.raises((InputError, TableWarning), match=r"%g|are some of them in"):
            check_ground_motions(table)


@pytest.mark.parametrize("seed", range(20))
def test_events_that_differ_as_events_do_are_in_one_unit(seed):
    table = motions(events=40, records=10, seed=seed)
    check_ground_motions(table.assign(station=[f"s{n % 10}" for n in range(400)]))


@pytest.mark.data
def test_half_of_ridgecrest_in_percent_g_is_caught(data_folder):
    table = load_ridgecrest()
    check_ground_motions(table)
    stations, events = (table[each].unique()[::2] for each in ("station", "event"))
    raw = table.copy()
    raw.loc[raw["station"].isin(stations), "pga_m_s2"] /= 0.0980665
    with pytest.raises(InputError, match=r"stations .*in %g"):
        check_ground_motions(raw)
    raw = table.copy()
    raw.loc[raw["event"].isin(events), "pga_m_s2"] /= 0.0980665
    with pytest.warns(TableWarning, match="are some of them in"):
        check_ground_motions(raw)


@pytest.mark.data
@pytest.mark.parametrize("seed", range(3))
def test_ridgecrest_in_percent_g_is_caught(data_folder, seed):
    table = load_ridgecrest()
    check_ground_motions(table)
    some = pd.Series(table["event"].unique()).sample(20, random_state=seed)
    raw = table[table["event"].isin(some)].copy()
    raw["pga_m_s2"] /= 0.0980665
    with pytest.raises(InputError, match="is it in %g"):
        check_ground_motions(raw)
