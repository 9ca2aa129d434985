"""What derives from the one list of parameters: sites, coordinates, labels, ranges."""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
import pytest
from scipy import stats

from eqstat import InputError
from eqstat.traveltime import MixtureParameters, Prior
from eqstat.traveltime._parameters import (
    from_coordinates,
    labels_of,
    nominal_values,
    parameters_of,
    sites_of,
    to_coordinates,
)

HYPOCENTRE = {"east_km": 1.0, "north_km": 2.0, "depth_km": 3.0, "origin_time_s": 4.0}


def test_every_parameter_beside_the_hypocentre_has_a_site_and_a_prior():
    covered = [name for site in sites_of("mixture", True) for name in site.fields]
    assert {*covered, *HYPOCENTRE} == set(MixtureParameters.__dataclass_fields__)
    for likelihood in ("gaussian", "mixture"):
        for site in sites_of(likelihood, True):
            assert isinstance(getattr(Prior(), site.prior), dist.Distribution)
    names = [site.name for site in sites_of("mixture", False)]
    assert "trigger_probability" not in names and "shares" in names


def test_components_of_shares_have_labels():
    assert labels_of("shares") == ("p_share", "s_share", "background_share")
    assert labels_of("scatter_s") == ("scatter_s",)


def test_parameters_are_built_from_sites():
    values = nominal_values("mixture", Prior(), True)
    params = parameters_of({**HYPOCENTRE, **values})
    assert isinstance(params, MixtureParameters)
    assert float(params.p_share) == pytest.approx(0.4)
    assert float(params.background_share) == pytest.approx(0.2)
    assert float(params.trigger_probability) == pytest.approx(0.5)


def test_coordinates_go_there_and_back():
    values = nominal_values("mixture", Prior(), True)
    row = to_coordinates(values, "mixture", Prior())
    assert row.shape == (8,)
    back, _ = from_coordinates(row, "mixture", True, Prior())
    assert set(back) == set(values) - {"delay_s"}
    for name, value in back.items():
        np.testing.assert_allclose(value, values[name], rtol=1e-4, atol=1e-6, err_msg=name)


def test_the_log_prior_of_coordinates_is_a_density():
    """Over the coordinate of one scale it is the density of the logarithm of the scale."""
    row = jnp.array([0.3])
    _, log_prior = from_coordinates(row, "gaussian", False, Prior())
    assert float(log_prior) == pytest.approx(stats.norm.logpdf(0.3, np.log(1.29), 0.3), abs=1e-5)
    # A simplex has the same mass in its free coordinates: integrate over a grid of them.
    free = jnp.linspace(-9.0, 9.0, 181)
    base = to_coordinates(nominal_values("mixture", Prior(), False), "mixture", Prior())

    def at(a, b):
        shifted = base.at[1:3].set(jnp.stack([a, b]))
        return from_coordinates(shifted, "mixture", False, Prior())[1]

    assert [site.name for site in sites_of("mixture", False)][2] == "shares"
    values = jax.vmap(lambda a: jax.vmap(lambda b: at(a, b))(free))(free)
    rest = float(at(base[1], base[2]))
    shares = np.array([0.4, 0.4, 0.2])
    jacobian = 0.4 * (1 - 0.4) * (0.6) * (2 / 3) * (1 / 3)
    of_shares = stats.dirichlet([2.0, 2.0, 1.0]).logpdf(shares) + np.log(jacobian)
    total = np.exp(np.asarray(values, float)).sum() * 0.1**2
    assert total == pytest.approx(np.exp(rest - of_shares), rel=0.02)


def test_ranges_are_those_of_the_list():
    with pytest.raises(InputError, match="p_slowness_ratio"):
        MixtureParameters(0.0, 0.0, 1.0, 0.0, p_slowness_ratio=3.0)
