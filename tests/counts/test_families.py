"""A family of counts in one class: everything else takes it from the registry."""

import jax
import numpy as np
import pytest
from scipy import stats

from eqstat.cli._about._schema import schema_of
from eqstat.cli._main import parser
from eqstat.counts import FAMILIES, Background, Design, fit, log_tail, scan, simulate
from eqstat.counts._families import Marginal
from eqstat.counts._families._negative_binomial import NegativeBinomial
from eqstat.simulation.sources import human_triggers


class LinearVariance(NegativeBinomial):
    r"""Negative binomial with the variance $\mu (1 + \delta)$: the dispersion is $\delta / \mu$."""

    name = "linear_variance"

    def pair_term(self, k, n, dispersion):
        return 0.0 * k

    def mean_term(self, k, n, mean, dispersion):
        own = dispersion / mean
        return super().pair_term(k, n, own) + super().mean_term(k, n, mean, own)

    def ratio_parameters(self, n, mean, dispersion):
        return super().ratio_parameters(n, mean, dispersion / mean)

    def log_first_and_steps(self, marginal, k):
        return super().log_first_and_steps(own(marginal), k)

    def table_top(self, marginal, least):
        return super().table_top(own(marginal), least)

    def part(self, marginal, share):
        return super().part(marginal, share)._replace(dispersion=marginal.dispersion * share)

    def mean_given(self, marginal, share, count):
        return super().mean_given(own(marginal), share, count)

    def new_alarm_share(self, marginal, k):
        return super().new_alarm_share(own(marginal), k)

    def intensity_nodes(self, marginal, quantile, weight):
        return super().intensity_nodes(own(marginal), quantile, weight)

    def excess(self, mean, active, dispersion):
        return dispersion + 0.0 * mean

    def draw(self, rng, active, mean, dispersion):
        return super().draw(rng, active, mean, dispersion / mean)


def own(marginal: Marginal) -> Marginal:
    """With the dispersion of a negative binomial."""
    return marginal._replace(dispersion=marginal.dispersion / marginal.mean)


@pytest.fixture
def linear(monkeypatch):
    """Register the family, and make a background of it."""
    monkeypatch.setitem(FAMILIES, LinearVariance.name, LinearVariance())
    return Background(LinearVariance.name, 3.0, dispersion=0.8, dispersion_slope=0.0)


@pytest.mark.slow
def test_a_registered_family_is_fitted_simulated_and_tabulated(linear):
    history = simulate(jax.random.key(0), linear, Design(active=200, days=7))
    estimate = fit(history, family=linear.family)
    assert abs(estimate["dispersion"] - 0.8) < 5 * estimate.standard_error["dispersion"]
    with jax.enable_x64(True):
        tail = float(log_tail(linear, 20.0, 1e4, 2.5))
    assert tail == pytest.approx(stats.nbinom(2.5 / 0.8, 1 / 1.8).logsf(19), rel=1e-7)
    # The same table as that of a negative binomial of this mean, renewed or not.
    for windows in (np.inf, 4.0):
        tables = [
            scan.log_alarm_table_per_hour(
                2.5, 30, window_s=10.0, family=name, dispersion=value, correlation_windows=windows
            )
            for name, value in ((linear.family, 0.8), ("negative_binomial", 0.8 / 2.5))
        ]
        np.testing.assert_allclose(*tables, rtol=1e-9)
    assert human_triggers(linear, 200).rate_per_device_h.shape == (24,)


def test_the_shell_offers_every_family(linear):
    words = ["threshold", "counts.csv", "--active", "50", "--family", linear.family]
    assert parser().parse_args(words).family == linear.family
    assert schema_of("threshold")["$defs"]["family"]["enum"] == list(FAMILIES)


def test_a_family_without_an_update_refuses_renewal():
    with pytest.raises(ValueError, match="correlation_windows is not available"):
        scan.log_alarm_table_per_hour(
            2.5, 9, window_s=10.0, family="beta_binomial", active=50, correlation_windows=4.0
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_table_and_what_lies_beyond_it_sum_to_one(family):
    definition = FAMILIES[family]
    spread = 0.05 if definition.parameters else 0.0
    marginal = Marginal(definition, *(np.array([v]) for v in (4.0, spread, 300.0)))
    for top in (definition.table_top(marginal, 10), super(type(definition), definition)
                .table_top(marginal, 10), definition.support(marginal, 1e-12)):  # fmt: skip
        table = definition.log_pmf_table(marginal, top)
        total = np.exp(table).sum() + np.exp(definition.log_beyond(marginal, table)).sum()
        assert total == pytest.approx(1.0, abs=1e-11)


def test_few_devices_beside_many_make_a_table_without_a_warning():
    background = Background("beta_binomial", 0.8, dispersion=0.004, dispersion_slope=0.2)
    few, many = scan.false_alarm_table(background, np.array([30.0, 600.0]), 40, hour=12.5, day=1)
    assert np.all(np.isneginf(few[30:])) and np.all(np.isfinite(many))
