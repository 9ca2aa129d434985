"""NUTS on a NumPyro model: compiled once per shape, and started from an approximation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float, PRNGKeyArray, PyTree
from numpyro.infer.hmc import HMCState, hmc
from numpyro.infer.util import constrain_fn, potential_energy, unconstrain_fn
from tqdm.auto import tqdm

from eqstat._core.checks import check_whole
from eqstat._core.explain import explained
from eqstat.inference._diagnostics import MAX_TREE_DEPTH
from eqstat.inference._jumps import Place, StudentMixture, fit_mixture, jump
from eqstat.inference._tree import to_tree

Model = Callable[..., Any]
MassMatrix = Literal["dense", "diagonal", "identity"]

BLOCK = 250


@explained
class Warp(NamedTuple):
    """Other coordinates for the sampler than the model's unconstrained space.

    Attributes
    ----------
    forward
        `forward(values, args)` gives unconstrained values and the log absolute determinant.
    inverse
        `inverse(values, args)` takes unconstrained values back.

    Examples
    --------
    Sample a positive site, whose unconstrained value is its logarithm, at half that value:

    >>> import jax.numpy as jnp
    >>> halves = Warp(
    ...     forward=lambda values, args: ({"sd": 2 * values["sd"]}, jnp.log(2.0)),
    ...     inverse=lambda values, args: {"sd": values["sd"] / 2})
    >>> halves.inverse({"sd": 3.0}, ())
    {'sd': 1.5}
    """

    forward: Callable[[dict[str, Array], Any], tuple[dict[str, Array], Array]]
    inverse: Callable[[dict[str, Array], Any], dict[str, Array]]


class _Kept(NamedTuple):
    """What is kept of each step of each chain."""

    z: Array
    diverging: Array
    steps: Array
    acceptance: Array
    potential: Array
    energy: Array
    step_size: Array
    jumped: Array


class _Frame(NamedTuple):
    """Whitening of the sampler's space, and the proposals of jumps in whitened coordinates."""

    centre: Array
    scale: Array
    proposals: StudentMixture | None


class _Settings(NamedTuple):
    """Static settings of the kernel: see `run_nuts`."""

    warmup: int
    mass_matrix: MassMatrix
    target_accept: float
    sequential: bool
    components: int
    tries: int


class _Space(NamedTuple):
    """A model with its arguments, seen as a density on vectors."""

    model: Model
    warp: Warp | None
    args: tuple
    unravel: Callable[[Array], dict[str, Array]]

    def potential(self, vector: Array) -> Array:
        """Negative log posterior density of a vector of the sampler's space."""
        values, log_det = self.unravel(vector), jnp.zeros((), vector.dtype)
        if self.warp is not None:
            values, log_det = self.warp.forward(values, self.args)
        return potential_energy(self.model, self.args, {}, values) - log_det

    def sites(self, vector: Array) -> dict[str, Array]:
        """All sites of the model, deterministic ones included."""
        values = self.unravel(vector)
        if self.warp is not None:
            values, _ = self.warp.forward(values, self.args)
        return constrain_fn(self.model, self.args, {}, values, return_deterministic=True)


def _position(
    model: Model, warp: Warp | None, args: tuple, values: Mapping[str, Array]
) -> tuple[Array, Callable]:
    """Constrained values as a vector of the sampler's space, and the way back to a dict."""
    free = unconstrain_fn(model, args, {}, dict(values))
    return ravel_pytree(free if warp is None else warp.inverse(free, args))


def _kernels(
    space: _Space, frame: _Frame, settings: _Settings
) -> tuple[Callable, Callable[[HMCState], tuple[HMCState, Array]]]:
    """NUTS, and jumps after it, in whitened coordinates z: the vector is centre + scale @ z."""

    def potential(z: Array) -> Array:
        return space.potential(frame.centre + frame.scale @ z)

    init, step = hmc(potential, algo="NUTS")
    begin = partial(
        init,
        num_warmup=settings.warmup,
        step_size=0.5,
        adapt_mass_matrix=settings.mass_matrix != "identity",
        dense_mass=settings.mass_matrix == "dense",
        target_accept_prob=settings.target_accept,
        max_tree_depth=MAX_TREE_DEPTH,
    )

    def step_and_jump(state: HMCState) -> tuple[HMCState, Array]:
        state = step(state)
        if frame.proposals is None:
            return state, jnp.zeros((), bool)
        key, own = jax.random.split(state.rng_key)
        here = Place(state.z, state.potential_energy, state.z_grad)
        there, jumped = jump(own, frame.proposals, potential, here, settings.tries)
        z, energy, gradient = there
        state = state._replace(z=z, potential_energy=energy, z_grad=gradient, rng_key=key)
        return state, jumped

    return begin, step_and_jump


@partial(jax.jit, static_argnames=("model", "warp", "settings"))
def _start(
    model: Model,
    warp: Warp | None,
    args: tuple,
    cloud: dict[str, Array],
    keys: Array,
    settings: _Settings,
) -> tuple[PyTree, _Frame]:
    """Whiten by the cloud of starting points and initialise a chain at each of the first ones."""
    positions = jax.vmap(lambda values: _position(model, warp, args, values)[0])(cloud)
    first = jax.tree.map(lambda leaf: leaf[0], cloud)
    unravel = _position(model, warp, args, first)[1]
    centre = jnp.mean(positions, axis=0)
    size = positions.shape[1]
    spread = jnp.cov(positions, rowvar=False).reshape(size, size)
    # A little of the diagonal keeps a cloud with a flat direction usable.
    spread = spread + 1e-6 * jnp.diag(jnp.diagonal(spread)) + 1e-12 * jnp.eye(size)
    scale = jnp.linalg.cholesky(spread)
    whitened = jax.scipy.linalg.solve_triangular(scale, (positions - centre).T, lower=True).T
    proposals = None
    if settings.tries:
        own = jax.random.fold_in(keys[0], 1)
        proposals = fit_mixture(own, whitened, settings.components)
    frame = _Frame(centre, scale, proposals)
    begin, _ = _kernels(_Space(model, warp, args, unravel), frame, settings)
    states = jax.vmap(lambda z, key: begin(z, rng_key=key))(whitened[: keys.shape[0]], keys)
    return states, frame


@partial(jax.jit, static_argnames=("model", "warp", "settings", "length"))
def _advance(
    model: Model,
    warp: Warp | None,
    args: tuple,
    template: dict[str, Array],
    frame: _Frame,
    states: HMCState,
    settings: _Settings,
    length: int,
) -> tuple[HMCState, _Kept]:
    """Move all chains by `length` steps; the same program serves warm-up and sampling."""
    unravel = _position(model, warp, args, template)[1]
    begin, step = _kernels(_Space(model, warp, args, unravel), frame, settings)
    # The kernel learns its settings when a chain is initialised; only shapes are needed here.
    one = jax.tree.map(lambda leaf: leaf[0], (states.z, states.rng_key))
    jax.eval_shape(lambda z, key: begin(z, rng_key=key), *one)

    def move(states: HMCState, _: None) -> tuple[HMCState, _Kept]:
        every = partial(jax.lax.map, step) if settings.sequential else jax.vmap(step)
        states, jumped = every(states)
        kept = _Kept(
            states.z,
            states.diverging,
            states.num_steps,
            states.accept_prob,
            states.potential_energy,
            states.energy,
            states.adapt_state.step_size,
            jumped,
        )
        return states, kept

    return jax.lax.scan(move, states, None, length=length)


@partial(jax.jit, static_argnames=("model", "warp"))
def _constrain(
    model: Model,
    warp: Warp | None,
    args: tuple,
    template: dict[str, Array],
    frame: _Frame,
    draws: Float[Array, "chains draws parameters"],
) -> dict[str, Array]:
    """Whitened draws to the model's sites."""
    space = _Space(model, warp, args, _position(model, warp, args, template)[1])
    return jax.vmap(jax.vmap(lambda z: space.sites(frame.centre + frame.scale @ z)))(draws)


def run_nuts(
    key: PRNGKeyArray,
    model: Model,
    args: tuple,
    cloud: Mapping[str, Float[Array, "points ..."] | np.ndarray],
    *,
    warp: Warp | None = None,
    chains: int = 4,
    warmup: int = 500,
    draws: int = 1000,
    mass_matrix: MassMatrix = "dense",
    target_accept: float = 0.85,
    sequential: bool = False,
    jumps: int = 0,
    components: int = 8,
    progress: bool | None = None,
    derived: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]] | None = None,
    log_likelihood: Callable[[dict[str, np.ndarray]], Mapping[str, np.ndarray]] | None = None,
    predictive: Callable[[dict[str, np.ndarray]], Mapping[str, Mapping[str, Any]]] | None = None,
    observed_data: Mapping[str, Any] | None = None,
    constant_data: Mapping[str, Any] | None = None,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataTree:
    """Sample the posterior of a NumPyro model by the No-U-Turn sampler.

    The model's unconstrained space is whitened by the covariance of a cloud of starting points,
    and the chains start at points of it, so that sampling neither fails from a bad start nor
    spends its warm-up on learning scales. The compiled program depends on the model and on the
    shapes of `args` only; other data of these shapes never recompile.

    Parameters
    ----------
    key
        JAX random key.
    model
        A NumPyro model, `model(*args)`; pass the same function object to reuse its program.
    args
        The model's arguments, a tuple of pytrees of arrays.
    cloud
        Starting points for each latent site of the model in its own (constrained) space, at
        least as many as chains and better ten times the parameters; draws from a grid
        posterior or a normal approximation.
    warp
        Other coordinates to sample in; functions of a module, so that programs are reused.
    chains, warmup, draws
        Number of chains, of warm-up steps (rounded up to a multiple of 250), and of draws of
        each chain.
    mass_matrix
        What warm-up adapts in the whitened space: a "dense" mass matrix; its "diagonal", where
        parameters are too many for a warm-up to estimate their covariance; or none of it
        ("identity"), where the cloud are draws of the posterior and a short warm-up for the step
        size is enough.
    target_accept
        Acceptance probability that the step size is adapted to, in (0, 1): nearer to 1 where the
        posterior is sharply curved in places.
    sequential
        Move the chains one after another, not side by side: faster where one evaluation of
        the model keeps a core busy, since no chain then waits for the longest path.
    jumps
        Metropolis-Hastings steps after each step of NUTS, with independence proposals from a
        mixture of t distributions that is fitted to the cloud. With a cloud that holds all modes
        of the posterior, at least hundreds of points, chains jump between them and visit each as
        often as its mass.
    components
        Components of that mixture.
    progress
        Show a progress bar; by default where a terminal is attached.
    derived
        From the sites, each of shape (chains, draws, ...), to further variables of the
        posterior, or other values of sites.
    log_likelihood
        From all variables, each of shape (chains, draws, ...), to pointwise log-likelihoods of
        shape (chains, draws, observations).
    predictive
        From all variables to further groups, such as `posterior_predictive` and `prior`.
    observed_data, constant_data
        Arrays of these groups.
    dims, coords, units
        Names of the variables' dimensions beyond chain and draw, labels of dimensions, and
        units of variables whose name does not tell; for all groups.
    attrs
        Further attributes of the root.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` and `sample_stats` with dims `chain` and `draw`, and `log_likelihood`,
        `observed_data`, `constant_data` where they are given. The root's attributes hold the
        diagnostics of `diagnose`.

    References
    ----------
    Hoffman, M. and Gelman, A. (2014), The No-U-Turn Sampler, JMLR 15, 1593-1623.
    Tierney, L. (1994), doi:10.1214/aos/1176325750 (independence proposals, cycles of kernels).

    Examples
    --------
    >>> import numpyro, numpyro.distributions as dist
    >>> def model(data):
    ...     mean = numpyro.sample("mean_s", dist.Normal(0.0, 10.0))
    ...     numpyro.factor("data", jnp.sum(dist.Normal(mean, 1.0).log_prob(data)))
    >>> data = jnp.array([1.0, 2.0, 3.0])
    >>> cloud = {"mean_s": 2.0 + 0.6 * jax.random.normal(jax.random.key(0), (64,))}
    >>> tree = run_nuts(jax.random.key(1), model, (data,), cloud, warmup=250, draws=250)
    >>> dict(tree["posterior"].sizes), tree["posterior"]["mean_s"].attrs["units"]
    ({'chain': 4, 'draw': 250}, 's')
    """
    check_whole("sample", 1, chains=chains, draws=draws)
    check_whole("sample", 0, warmup=warmup)
    cloud = {name: jnp.asarray(values) for name, values in cloud.items()}
    blocks = max(1, -(-warmup // BLOCK)), max(1, -(-draws // BLOCK))
    warmup = blocks[0] * BLOCK
    template = {name: values[0] for name, values in cloud.items()}
    keys = jax.vmap(lambda chain: jax.random.fold_in(key, chain))(jnp.arange(chains))
    settings = _Settings(warmup, mass_matrix, target_accept, sequential, components, jumps)
    states, frame = _start(model, warp, args, cloud, keys, settings)
    parts = []
    disable = None if progress is None else not progress
    with tqdm(total=sum(blocks) * BLOCK, desc="NUTS", disable=disable, leave=False) as bar:
        for block in range(sum(blocks)):
            states, block_kept = _advance(
                model, warp, args, template, frame, states, settings, BLOCK
            )
            if block >= blocks[0]:
                parts.append(block_kept)
            bar.update(BLOCK)
    kept: _Kept = jax.tree.map(
        lambda *each: jnp.moveaxis(jnp.concatenate(each), 0, 1)[:, :draws], *parts
    )
    sites = jax.tree.map(np.asarray, _constrain(model, warp, args, template, frame, kept.z))
    if derived is not None:
        sites.update(derived(sites))
    steps = np.asarray(kept.steps)
    groups: dict[str, Mapping[str, Any]] = {
        "posterior": sites,
        "sample_stats": {
            "diverging": np.asarray(kept.diverging),
            "n_steps": steps,
            # A tree of depth d has at most 2^d - 1 steps, and more than half of them.
            "tree_depth": np.log2(np.maximum(steps, 1)).astype(int) + 1,
            "acceptance_rate": np.asarray(kept.acceptance),
            "energy": np.asarray(kept.energy),
            "lp": -np.asarray(kept.potential),
            "step_size": np.asarray(kept.step_size),
            **({"jumped": np.asarray(kept.jumped)} if jumps else {}),
        },
    }
    if log_likelihood is not None:
        groups["log_likelihood"] = log_likelihood(sites)
    if predictive is not None:
        groups.update(predictive(sites))
    more = {"observed_data": observed_data, "constant_data": constant_data}
    groups.update({name: group for name, group in more.items() if group is not None})
    return to_tree(groups, dims=dims, coords=coords, units=units, attrs=attrs)
