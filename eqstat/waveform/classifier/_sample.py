"""The posterior of a classifier by NUTS, as an ArviZ-form DataTree."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import PRNGKeyArray

from eqstat._core.checks import check_key
from eqstat.inference import posterior_sites, run_nuts
from eqstat.waveform.classifier._data import LABEL, Windows
from eqstat.waveform.classifier._fit import fit, model_of, perceptrons, pointwise
from eqstat.waveform.classifier._likelihood import SITES
from eqstat.waveform.classifier._parameters import RatioPosterior
from eqstat.waveform.classifier._prior import Prior

CLOUD = 1024


def sample(
    key: PRNGKeyArray,
    windows: Windows,
    *,
    hidden: int = 0,
    prior: Prior | None = None,
    exponent: float | int | None = None,
    chains: int = 4,
    warmup: int = 250,
    draws: int = 500,
    progress: bool | None = None,
) -> xr.DataTree:
    """Sample the posterior of a classifier by NUTS.

    For some thousands of windows; more take the fit's Laplace approximation. Chains start at draws
    of that. Hidden nodes can be exchanged and change sign, so that R-hat of single nodes tells
    nothing where chains found other orders: `log_likelihood` and the predictions of
    `posterior_from` are what can be compared.

    Parameters
    ----------
    key
        JAX random key.
    windows, hidden, prior, exponent
        As in `fit`.
    chains, warmup, draws
        Number of chains, of warm-up steps, and of draws of each chain.
    progress
        Show a progress bar; by default where a terminal is attached.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` (the sites of `model`), `sample_stats`, `log_likelihood` (of each label,
        not raised to the exponent), `observed_data` and `constant_data`. The root's attributes
        hold the diagnostics of `eqstat.inference.diagnose` and the exponent.

    Raises
    ------
    eqstat.inference.InferenceError
        When not even the fit gave a usable estimate.

    Examples
    --------
    >>> from eqstat.waveform.classifier import Design, Perceptron, simulate
    >>> windows = simulate(jax.random.key(0), Perceptron(0.0, [2.0]), Design(windows=200))
    >>> tree = sample(jax.random.key(1), windows, chains=2, draws=250, progress=False)
    >>> tree["posterior"]["weight"].dims
    ('chain', 'draw', 'feature')
    """
    check_key("sample", key)
    prior = Prior() if prior is None else prior
    result = fit(windows, hidden=hidden, prior=prior, exponent=exponent)
    cloud = result.laplace.draws(jax.random.fold_in(key, 0), CLOUD)
    rows = len(windows.table)
    features = np.asarray(windows.data.features)[:rows]
    names = [name for name in SITES if name in cloud]

    def label_likelihood(sites: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        flat = {name: np.reshape(sites[name], (-1, *sites[name].shape[2:])) for name in names}
        values = pointwise(perceptrons(flat), windows.data)[:, :rows]
        return {LABEL: values.reshape(*sites["level"].shape[:2], rows)}

    with jax.enable_x64(True):
        data, priors = jax.tree.map(jnp.asarray, (result.windows.data, prior))
        return run_nuts(
            jax.random.fold_in(key, 1),
            model_of(hidden),
            (data, priors),
            {name: cloud[name] for name in names},
            chains=chains,
            warmup=warmup,
            draws=draws,
            target_accept=0.9,
            sequential=True,
            progress=progress,
            log_likelihood=label_likelihood,
            observed_data={LABEL: windows.labels},
            constant_data={"features": features, "group": windows.group},
            dims={
                "weight": ["feature"],
                "inner_weight": ["node", "feature"],
                "inner_bias": ["node"],
                "outer_weight": ["node"],
                LABEL: ["window"],
                "features": ["window", "feature"],
                "group": ["window"],
            },
            coords={"feature": list(windows.features)},
            attrs={"exponent": result.exponent, "notes": list(windows.notes)},
        )


def posterior_from(tree: xr.DataTree, count: int = 128) -> RatioPosterior:
    """Return draws of the log likelihood ratio from a sampling run, evenly thinned.

    Parameters
    ----------
    tree
        From `sample`.
    count
        How many draws are kept.

    Returns
    -------
    RatioPosterior

    Examples
    --------
    >>> from eqstat.waveform.classifier import Design, Perceptron, simulate
    >>> windows = simulate(jax.random.key(0), Perceptron(0.0, [2.0]), Design(windows=200))
    >>> tree = sample(jax.random.key(1), windows, chains=2, draws=250, progress=False)
    >>> posterior_from(tree, 50).draws(np.zeros((3, 1))).shape
    (3, 50)
    """
    sites = posterior_sites(tree)
    total = len(sites["level"])
    rows = np.linspace(0, total - 1, min(count, total)).round().astype(int)
    members = perceptrons({name: values[rows] for name, values in sites.items()})
    return RatioPosterior(members, np.zeros((0, 0)))
