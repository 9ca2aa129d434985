"""`eqstat multistation`: from tables to a network, its card, and its forecasts."""

import json

import equinox as eqx
import jax
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from eqstat.cli import main
from eqstat.geodesy import LocalFrame
from eqstat.ground_motion import load, save
from eqstat.ground_motion.mixture import exceedance, quantile
from eqstat.ground_motion.network.multistation import (
    MultistationEnsemble,
    init_multistation,
    prepare,
    sense,
)

from .shell import ZERO, refused, shell
from .test_schema import checked

pytestmark = pytest.mark.slow

TINY = ("--width", 20, "--layers", 1, "--members", 1, "--epochs", 10, "--nearest", 6)


def world(seed=0, events=40, n=6):
    """Tables of stations and of the reports of a point source, one a second from P on."""
    rng = np.random.default_rng(seed)
    east, north = rng.uniform(-60, 60, (2, n))
    latitude, longitude = LocalFrame(-12.0, -77.0).to_geographic(east, north)
    names = [f"s{k}" for k in range(n)]
    stations = pd.DataFrame({"station": names, "latitude": latitude, "longitude": longitude})
    rows = []
    for event in range(events):
        x, y = rng.uniform(-50, 50, 2)
        km = np.hypot(np.hypot(east - x, north - y), 10.0)
        log10 = 0.5 * rng.normal() - 1.5 * np.log10(km / 10) + 0.1 * rng.normal(size=n)
        start = ZERO + pd.Timedelta(days=event)
        for k in range(n):
            for second in range(12):
                share = 1.0 if second > km[k] / 6 else 0.3
                moment = start + pd.Timedelta(seconds=km[k] / 6 + second)
                rows.append((f"e{event}", names[k], moment, share * 10 ** log10[k]))
    return stations, pd.DataFrame(rows, columns=["event", "station", "time", "pga_m_s2"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables, and the file of a network of random weights with a card."""
    path = tmp_path_factory.mktemp("multistation")
    stations, reports = world()
    stations.to_csv(path / "stations.csv", index=False)
    reports.to_csv(path / "reports.csv", index=False)
    last = reports[reports["event"].isin(["e38", "e39"])]
    last.to_csv(path / "last.csv", index=False)
    sites = stations.rename(columns={"station": "site"})[:2].assign(site=["s0", "hall"])
    sites.to_csv(path / "sites.csv", index=False)
    names = tuple(stations["station"][:5])
    classes = {"head": "classes", "log10_thresholds": (-1.0, 0.0)}
    kinds: dict = {"net": {}, "base": {"base": True}, "classes": classes}
    for name, more in kinds.items():
        one = init_multistation(jax.random.key(0), sense(5, width=20, layers=1, **more))
        one = eqx.tree_at(lambda n: n.late, one, jax.random.normal(jax.random.key(1), (5, 20)))
        members = jax.tree.map(lambda leaf: leaf[None] if eqx.is_array(leaf) else leaf, one)
        card = {"what": "random", "times_s": [2.0, 5.0], "nearest": 6, "events": 0}
        ensemble = MultistationEnsemble(members, jax.numpy.zeros(4), names, json.dumps(card))
        save(ensemble, path / f"{name}.eqx")
    return path


def given(folder, *more, network="net.eqx"):
    return ("multistation", "forecast", folder / network, "--stations", folder / "stations.csv",
            "--reports", folder / "last.csv", "--threshold", "1%g,98Gal", *more)  # fmt: skip


@pytest.fixture(scope="module")
def trained(folder):
    """Path of a network that the shell trained; its JSON lies beside it."""
    path = folder / "trained.eqx"
    train = ("multistation", "train", folder / "stations.csv", folder / "reports.csv")
    more = ("--out", path, "--times-s", "5,12", "--json", folder / "trained.json")
    assert main([str(word) for word in (*train, *more, *TINY)]) == 0
    return path


def test_a_network_is_trained_judged_shown_and_asked(capsys, folder, trained):
    path = trained
    content = checked((folder / "trained.json").read_text())
    card = content["card"]
    # 40 events, of which the last 8 judge.
    assert (card["events"], card["judged"]["events"], card["views"]) == (32, 8, 64)
    assert (card["from"], card["to"]) == ("2027-01-15", "2027-02-15")
    assert [each["time_s"] for each in content["scores"]] == [5.0, 12.0, None]
    assert content["scores"][-1]["targets"] == 8 * 6 * 2
    assert load(path).stations == tuple(f"s{k}" for k in range(6))
    code, out, _ = shell(capsys, "multistation", "show", path)
    assert code == 0 and "2027-01-15 to 2027-02-15" in out and "5, 12 s" in out
    shown = checked(shell(capsys, "multistation", "show", path, "--json")[1])
    assert shown["card"] == card
    code, _, lines = shell(capsys, *given(folder, "--at", 6, network=path))
    said = " ".join(lines)
    assert code == 0 and "trained on 32 events" in said and "judged on 8 later events" in said
    assert "not in the training" not in said


def test_judging_is_of_held_out_events_with_a_true_climatology(folder, trained):
    """Scores in the JSON are those of the saved network on the last events by date."""
    content = json.loads((folder / "trained.json").read_text())
    stations, reports = (pd.read_csv(folder / f"{name}.csv") for name in ("stations", "reports"))
    recordings = prepare(stations, reports, nearest=6)
    value = recordings.log10_pga
    mixture = load(trained)(recordings.views([5.0]))
    own = np.asarray(mixture.mean)[32:], np.asarray(mixture.scale)[32:]
    weight = np.exp(np.asarray(mixture.log_weight)[32:])
    grid = np.linspace(-8, 4, 4001)
    each = norm.cdf((grid[:, None, None, None] - own[0]) / own[1])
    cdf = np.einsum("esk,gesk->ges", weight, each)
    step = (grid[:, None, None] >= value[32:]).astype(float)
    slow = np.trapezoid((cdf - step) ** 2, grid, axis=0).mean()
    assert content["scores"][0]["crps"] == pytest.approx(slow, rel=0.01)
    usual = norm(value[:32].mean(), value[:32].std())
    assert content["scores"][0]["log_score_climatology"] == pytest.approx(
        -usual.logpdf(value[32:]).mean(), rel=1e-3
    )


@pytest.mark.long
def test_classes_are_trained_on_silence_too(capsys, folder, tmp_path):
    reports = pd.read_csv(folder / "reports.csv")
    strong = reports[reports.groupby(["event", "station"])["pga_m_s2"].transform("max") > 0.2]
    strong = strong[strong["pga_m_s2"] > 0.02]
    strong.to_csv(tmp_path / "strong.csv", index=False)
    code, out, lines = shell(
        capsys, "multistation", "train", folder / "stations.csv", tmp_path / "strong.csv",
        "--out", tmp_path / "n.eqx", "--times-s", "5", "--head", "classes", "--threshold",
        "3%g,10%g", "--floor-m-s2", 0.2, "--design", "team", "--json", *TINY,
    )  # fmt: skip
    assert code == 0, lines
    content = checked(out)
    total = content["scores"][-1]
    assert total["targets"] == 6 * content["card"]["judged"]["events"]
    assert total["brier"] < 0.35 and "crps" not in total
    code, out, lines = shell(
        capsys, *given(folder, network="classes.eqx")[:-1], "0.1m/s2,1m/s2", "--at", 5, "--json"
    )
    assert code == 0, lines
    site = checked(out)["events"][0]["sites"][0]
    assert site["pga_quantile_m_s2"] is None
    assert site["probability"]["0.1m/s2"] >= site["probability"]["1m/s2"]
    assert "knows the thresholds" in refused(capsys, *given(folder, network="classes.eqx"))


def test_forecasts_are_those_of_the_network(capsys, folder, tmp_path):
    more = ("--at", 5, "--sites", folder / "sites.csv", "--table", tmp_path / "t.csv", "--json")
    code, out, lines = shell(capsys, *given(folder, *more))
    assert code == 0, lines
    content = checked(out)
    stations, reports = (pd.read_csv(folder / f"{name}.csv") for name in ("stations", "last"))
    sites, network = pd.read_csv(folder / "sites.csv"), load(folder / "net.eqx")
    recordings = prepare(stations, reports, nearest=6, known=network.stations)
    mixture = network(recordings.views([5.0], sites=sites))
    expected = np.asarray(exceedance(mixture, np.log10(0.0980665)))
    median = 10 ** np.asarray(quantile(mixture, 0.5))
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 2 * 8
    for e, event in enumerate(content["events"]):
        own = table[table["event"] == event["event"]]
        assert own["site"].tolist() == [*recordings.name[e], "s0", "hall"]
        assert own["kind"].tolist() == ["station"] * 6 + ["site"] * 2
        for k, site in enumerate(event["sites"]):
            seen = site["peak_m_s2"] or 0.0
            chance = 1.0 if seen > 0.0980665 else expected[e, k]
            assert site["probability"]["1%g"] == pytest.approx(chance, abs=1e-5)
            assert site["pga_quantile_m_s2"][1] == pytest.approx(max(median[e, k], seen), rel=1e-4)
            assert own["pga_q50_m_s2"].iloc[k] == pytest.approx(max(median[e, k], seen), rel=1e-4)
        known = {site["site"]: site["known_station"] for site in event["sites"]}
        assert known["s0"] and not known["s5"] and not known["hall"]
        # Peaks so far are of whole seconds before the time.
        start = pd.Timestamp(event["start_time"])
        for site in event["sites"][:6]:
            same = (reports["event"] == event["event"]) & (reports["station"] == site["site"])
            rows = reports[same]
            after = (pd.to_datetime(rows["time"]) - start) / pd.Timedelta(seconds=1)
            assert site["reporting"] == bool((after <= 5.0).any())
            past = rows["pga_m_s2"][np.floor(after + 1e-6) < 5.0]
            assert (site["peak_m_s2"] or 0.0) == pytest.approx(past.max() if len(past) else 0.0)
    said = " ".join(lines)
    assert "1 station (s5) not in the training" in said
    assert "1 site (hall) no station of the training" in said
    assert "count as working and silent" in said


def test_the_moment_of_a_forecast(capsys, folder):
    reports = pd.read_csv(folder / "last.csv")
    own = pd.to_datetime(reports[reports["event"] == "e39"]["time"])
    now = (own.min() + pd.Timedelta(seconds=7)).isoformat()
    event = ("--event", "e39", "--json")
    content = checked(shell(capsys, *given(folder, "--now", now, *event))[1])
    assert [each["at_s"] for each in content["events"]] == [pytest.approx(7.0)]
    _, out, lines = shell(capsys, *given(folder, *event))
    at = checked(out)["events"][0]["at_s"]
    assert at - 1 <= (own.max() - own.min()).total_seconds() < at
    assert "was trained at 2, 5 s" in " ".join(lines)
    assert "event 'e38'" in refused(capsys, *given(folder, "--now", now))
    early = (own.min() - pd.Timedelta(seconds=7)).isoformat()
    line = refused(capsys, *given(folder, "--now", early, "--event", "e39"))
    assert "7 s before the first report" in line


def test_the_summary_is_short(capsys, folder):
    code, out, lines = shell(capsys, *given(folder, "--at", 5))
    assert code == 0 and len(out.splitlines()) <= 20 and "P(> 1%g)" in out
    code, out, lines = shell(capsys, *given(folder, "--at", 5, "--event", "e38", "--quiet"))
    assert (code, out, lines) == (0, "", [])


def test_bad_input_is_one_line(capsys, folder, tmp_path):
    train = ("multistation", "train", folder / "stations.csv", folder / "reports.csv")
    out = ("--out", tmp_path / "n.eqx")
    sites = pd.read_csv(folder / "sites.csv")
    for name, frame in (
        ("far", sites.assign(latitude=40.0)),
        ("swapped", sites.rename(columns={"latitude": "longitude", "longitude": "latitude"})),
        ("nan", sites.assign(latitude=[np.nan, -12.0])),
    ):
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    twice = pd.read_csv(folder / "stations.csv")
    pd.concat([twice, twice[:1]]).to_csv(tmp_path / "twice.csv", index=False)
    (tmp_path / "text.eqx").write_text("text")
    for words, said in (
        (train, "--out NETWORK.eqx"),
        ((*train, "--out", folder / "reports.csv"), "is the input reports"),
        ((*train, *out, "--head", "classes"), "--threshold"),
        ((*train, *out, "--width", 30), "multiple of 20"),
        ((*train, *out, "--held-out", 1), "between 0 and 0.9"),
        ((*train, *out, "--times-s", "0,2"), "between 0 and 600"),
        ((*train, *out, "--checkpoint", tmp_path / "no" / "c"), "no folder"),
        ((*train[:3], folder / "last.csv", *out), "too few"),
        ((*train[:2], tmp_path / "twice.csv", folder / "last.csv", *out), "occur once"),
        (given(folder, "--event", "e1"), "no event 'e1'; they have e38, e39"),
        (given(folder, "--at", 5, "--now", ZERO), "not allowed with"),
        (given(folder, "--at", -1), "between 0 and 600"),
        (given(folder, "--sites", tmp_path / "far.csv"), "within 1000 km"),
        (given(folder, "--sites", tmp_path / "swapped.csv"), "exchanged"),
        (given(folder, "--sites", tmp_path / "nan.csv"), "latitude"),
        (given(folder, "--threshold", "0.05"), "no acceleration with a unit"),
        (given(folder, network="base.eqx"), "corrects the forecast of another rule"),
        (given(folder, "--table", folder / "last.csv"), "is the input reports"),
        (("multistation", "show", tmp_path / "text.eqx"), "not a ground-motion model"),
        (("multistation",), "ACTION"),
    ):
        assert said in refused(capsys, *words), words
    (tmp_path / "n.eqx").write_text("mine")
    assert "--force" in refused(capsys, *train, *out)
