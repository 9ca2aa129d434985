# %% [markdown]
# # A multistation network, alone and on a ground-motion model
#
# A few stations have felt an earthquake: how strongly will it shake at all others? A small network
# in the design of SENSE learns it from simulated earthquakes; a second one learns only what a
# ground-motion model with correlated residuals leaves over. Both are judged on earthquakes that
# they have never seen ([model](../multistation.md)).

# %%
from dataclasses import replace

import jax
import matplotlib.pyplot as plt
import numpy as np

from eqstat.exceedance.alerts import (
    Design,
    MultistationRule,
    SpatiallyConditioned,
    base_of,
    records,
    simulate,
    snapshots,
)
from eqstat.ground_motion.mixture import crps, exceedance
from eqstat.ground_motion.network import Examples, TrainingOptions
from eqstat.ground_motion.network.multistation import fit_multistation, sense

design = Design(
    stations=25,
    growth="envelope",
    correlated_share=0.5,
    dead_share=0.05,
    noise_m_s2=1e-3,
    draws=32,
)
AFTER_S = np.array([2.0, 5.0, 10.0, 20.0])

# %% [markdown]
# ## What a network sees
#
# Four views of each earthquake: the one-second envelopes of the stations that have reported 2, 5, 10
# and 20 s after the first, and which of the others are known to be silent. One in twenty is dead.

# %%
world = simulate(jax.random.key(0), 500, design)
data = records(world, AFTER_S)
plain = data.examples()
view = plain.features
print(f"{len(plain)} views of {view.signal.shape[1]} stations")
for time in AFTER_S:
    share = view.reporting[view.elapsed_s == time].mean()
    print(
        f"after {time:.0f} s {100 * share:.0f} % of the stations have reported"
    )

# %% [markdown]
# ## The forecast that the second network corrects
#
# The ground-motion model, given the draws of the source and the peaks so far, in closed form.

# %%
rule = SpatiallyConditioned(design.ground_motion, correlated_share=0.5)


@jax.jit
def bases(batch):
    return jax.lax.map(lambda snapshot: base_of(rule, snapshot), batch)


base = np.concatenate(
    [
        bases(snapshots(world, n, world.first_p_s[n] + AFTER_S))
        for n in data.event
    ]
)
on_model = Examples(replace(view, base=base), plain.log10_pga, plain.event)

# %% [markdown]
# ## Training
#
# The last 100 earthquakes are kept for judging, 100 more stop the training.

# %%
number = plain.event.astype(int)
training, new = number < 400, number >= 400
options = TrainingOptions(epochs=10, batch=16, learning_rate=2e-3)


def trained(examples, settings):
    part = examples.rows(training)
    return fit_multistation(
        jax.random.key(1),
        part,
        settings,
        members=1,
        held_out=number[training] >= 300,
        options=options,
    )


sizes = dict(width=40, feed_forward=80, readout=(40,))
alone = trained(plain, sense(25, **sizes))
combined = trained(on_model, sense(25, base=True, **sizes))
for name, fitted in (("alone", alone), ("on the model", combined)):
    card = fitted.network.card
    print(f"{name}: {card['parameters']} parameters, {card['seconds']:.0f} s")

# %% [markdown]
# ## Earthquakes never seen
#
# The CRPS is the distance of forecast and truth in log10 units, in the mean; the
# probability integral transform (PIT) is uniform where probabilities are true.

# %%
target, event = plain.log10_pga[new], plain.event[new]
forecasts = {
    "SENSE, alone": alone.network(plain.rows(new).features),
    "SENSE, on the model": combined.network(on_model.rows(new).features),
}
elapsed = view.elapsed_s[new]
print("CRPS after " + ", ".join(f"{t:.0f}" for t in AFTER_S) + " s")
for name, mixture in forecasts.items():
    score = np.asarray(crps(mixture, target)).mean(axis=1)
    means = [score[elapsed == time].mean() for time in AFTER_S]
    print(f"{name}: " + ", ".join(f"{x:.3f}" for x in means))

# %% mystnb={"image": {"alt": "Histograms of the probability integral transform of two networks, with bands about the uniform density."}}
figure, axes = plt.subplots(
    1, 2, figsize=(7.0, 3.0), sharey=True, layout="constrained"
)
for axis, (name, mixture) in zip(axes, forecasts.items(), strict=True):
    pit = 1 - np.asarray(exceedance(mixture, target))
    axis.hist(pit.ravel(), bins=10, range=(0, 1), density=True, color="0.7")
    # Stations of an earthquake depend on each other: draw earthquakes again.
    labels = np.unique(event, return_inverse=True)[1]
    each = np.stack(
        [
            np.histogram(pit[labels == k], bins=10, range=(0, 1))[0]
            for k in range(labels.max() + 1)
        ]
    )
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(
        len(each), np.full(len(each), 1 / len(each)), size=1000
    )
    share = 10 * (drawn @ each) / each.sum()
    low, high = np.quantile(share, [0.05, 0.95], axis=0)
    middle = np.arange(10) / 10 + 0.05
    axis.vlines(middle, low, high, color="black")
    axis.axhline(1.0, color="black", linestyle=":")
    axis.set(title=name, xlabel="PIT", xlim=(0, 1))
axes[0].set_ylabel("density")
plt.show()

# %% [markdown]
# ## One earthquake through time
#
# The strongest of the new ones, by the combined network: probability of more than 0.5 m/s2 at each
# station, as the waves arrive.

# %% mystnb={"image": {"alt": "Maps of stations coloured by their probability of strong shaking 2, 5, 10 and 20 s after the first report."}}
later = data.event[data.event >= 400]
strongest = int(later[np.argmax(world.magnitude[later])])
first = world.first_p_s[strongest]
batch = snapshots(world, strongest, first + AFTER_S)
warn = MultistationRule(combined.network, rule)
level = np.log10([0.5])
chance = jax.jit(lambda many: jax.lax.map(lambda one: warn(one, level), many))(
    batch
)
passed = world.pga_m_s2[strongest] > 0.5
east, north = world.station_km[:, 0], world.station_km[:, 1]
figure, axes = plt.subplots(
    1, 4, figsize=(9.0, 2.6), sharey=True, layout="constrained"
)
for axis, time, probability in zip(axes, AFTER_S, chance[..., 0], strict=True):
    dots = axis.scatter(
        east, north, c=probability, vmin=0, vmax=1, cmap="viridis", s=40
    )
    axis.scatter(
        east[passed], north[passed], s=110, facecolor="none", edgecolor="black"
    )
    axis.plot(*world.hypocentre_km[strongest, :2], "*", color="tab:red", ms=12)
    axis.set(title=f"{time:.0f} s", xlabel="east (km)", aspect="equal")
axes[0].set_ylabel("north (km)")
figure.colorbar(dots, ax=axes, label="P(PGA > 0.5 m/s²)")
plt.show()
print(f"magnitude {world.magnitude[strongest]:.1f}; {passed.sum()} rings")
