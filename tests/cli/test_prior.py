"""The prior of `eqstat locate`, from a file and from options."""

import argparse
import json

import numpy as np
import numpyro.distributions as dist
import pandas as pd
import pytest
import xarray as xr

from eqstat import InputError, traveltime
from eqstat.cli._inputs import Inputs
from eqstat.cli._locate import _prior

from .shell import quake, refused, shell

NOTHING = {"prior": None, "region_km": None, "depth_km": None, "delay_s": None}


def prior_of(frame=None, **given):
    options = argparse.Namespace(**{**NOTHING, **given})
    return _prior.reader_of_prior(options, Inputs())(frame)


@pytest.fixture
def toml(tmp_path):
    def write(text):
        path = tmp_path / "prior.toml"
        path.write_text(text)
        return str(path)

    return write


def test_a_file_gives_numbers_and_distributions(toml):
    prior = prior_of(
        prior=toml(
            "region_km = 150\n"
            "depth = { Gamma = { concentration = 2.0, rate = 0.1 } }\n"
            "shares = { Dirichlet = { concentration = [4.0, 2.0, 1.0] } }\n"
        )
    )
    assert prior.region_km == 150.0
    assert isinstance(prior.depth, dist.Gamma)
    assert float(prior.depth.mean) == pytest.approx(20.0)
    assert np.allclose(prior.shares.mean, [4 / 7, 2 / 7, 1 / 7])
    assert isinstance(prior.delay_s, type(traveltime.Prior().delay_s))


def test_options_go_before_the_file(toml):
    prior = prior_of(
        prior=toml("region_km = 150\ndepth = { Uniform = { low = 0.0, high = 9.0 } }\n"),
        region_km=80.0,
        depth_km=(0.0, 40.0),
        delay_s=(1.2, 0.3),
    )
    assert prior.region_km == 80.0
    assert float(prior.depth.high) == 40.0
    assert float(prior.delay_s.base_dist.loc) == pytest.approx(1.2)


def test_past_seismicity_is_a_density_beside_the_file(toml, tmp_path):
    latitude, longitude = np.linspace(-14, -10, 41), np.linspace(-79, -75, 41)
    bump = np.exp(-0.5 * ((latitude[:, None] + 12.5) ** 2 + (longitude + 77.5) ** 2) / 0.2**2)
    density = xr.DataArray(bump, {"latitude": latitude, "longitude": longitude}, name="density")
    density.to_netcdf(tmp_path / "past.nc", engine="h5netcdf")
    frame = traveltime.prepare(quake()).frame
    prior = prior_of(frame, prior=toml('region_km = 100\nseismicity = "past.nc"\n'))
    there, away = (
        prior.log_epicentre(*map(np.asarray, frame.to_local(*place)))
        for place in ((-12.5, -77.5), (-12.0, -76.5))
    )
    assert there > away + 5


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("depth_km = 3", "no 'depth_km' (there are: region_km"),
        ("depth = 3", "depth needs one distribution, such as depth = { Uniform"),
        ("depth = { Unifrom = { low = 0.0, high = 1.0 } }", "has no distribution 'Unifrom'"),
        ("depth = { Gamma = { concentration = -1.0, rate = 1.0 } }", "depth: Gamma:"),
        ("depth = { Uniform = { bottom = 3.0 } }", "depth: Uniform:"),
        ("depth = { Distribution = 3 }", "needs its parameters"),
        ('region_km = "far"', "region_km must be a number"),
        ("region_km = ", "prior.toml is no TOML"),
        ("region_km = -3", "region_km"),
        ('seismicity = "none.nc"', "seismicity: there is no file"),
    ],
)
def test_bad_files_are_one_line(toml, text, words):
    with pytest.raises(InputError) as caught:
        prior_of(prior=toml(text))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_prior_without_a_posterior(capsys, csv, toml):
    path = csv(quake())
    words = refused(capsys, "locate", path, "--delay-s", "2,1", "--likelihood", "gaussian")
    assert "--likelihood mixture" in words
    given = "--prior", toml("lead_s = 30"), "--delay-s", "2,1", "--method", "bfgs"
    assert "--prior, --delay-s: maximum" in refused(capsys, "locate", path, *given)
    assert "MEAN,SD" in refused(capsys, "locate", path, "--delay-s", "2")
    assert "between 0 and 60" in refused(capsys, "locate", path, "--delay-s", "2,0")


@pytest.mark.slow
def test_the_prior_reaches_the_location_and_the_json(capsys, csv, toml):
    path = csv(quake())
    file = toml("depth = { Uniform = { low = 30.0, high = 31.0 } }")
    _, out, _ = shell(capsys, "locate", path, "--likelihood", "gaussian", "--prior", file, "--json")
    content = json.loads(out)
    assert 30.0 <= content["hypocentre"]["depth_km"] <= 31.0
    assert content["input"]["prior"]["file"] == "prior.toml"
    assert content["options"]["delay_s"] is None


@pytest.mark.long
def test_a_delay_moves_the_origin_of_the_mixture(capsys, csv):
    path = csv(quake(60))
    times = []
    for delay in ("0.2,0.1", "8,0.1"):
        given = "--likelihood", "mixture", "--delay-s", delay, "--json"
        _, out, _ = shell(capsys, "locate", path, *given)
        times.append(pd.Timestamp(json.loads(out)["hypocentre"]["origin_time"]))
    assert (times[0] - times[1]).total_seconds() == pytest.approx(7.8, abs=1.0)
