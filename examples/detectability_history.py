# %% [markdown]
# # What a network detects, learned from its hits and misses
#
# A network of 25 stations detects an earthquake if four of them trigger. A catalogue lists all
# earthquakes of a year. From hits and misses the detection probability is learned, and compared
# with the truth, which only a simulation knows.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

from eqstat.detectability.history import (
    Design,
    HistoryPosterior,
    Sensitivity,
    detection_probability,
    fit,
    logistic,
    simulate,
)

truth = Sensitivity(magnitude_50_km=1.8, event_sd=0.35, system_share=0.93)
design = Design(events=500, stations=25, neighbours=12)
history = simulate(jax.random.key(1), truth, design)
print(
    f"{len(history.events)} earthquakes, "
    f"{history.events['detected'].mean():.0%} detected"
)

# %% [markdown]
# ## Fit

# %%
result = fit(history)
for name in ("magnitude_50_km", "event_sd", "system_share"):
    low, high = result.interval(0.9)[name]
    print(
        f"{name:16s} {result[name]:.2f} ({low:.2f} to {high:.2f}), true "
        f"{getattr(truth, name):.2f}"
    )

# %% [markdown]
# ## Detection probability in the middle of the network and off it
#
# The band is the 90 % interval over the parameters. Where the network is far, its fourth station is
# as well, and a regression on that distance has one curve for all of them.

# %% mystnb={"image": {"alt": "Detection probability against magnitude in the middle of the network and 150 km north: learned band, truth, and a logistic regression."}}
posterior = result.posterior(jax.random.key(2))
known = HistoryPosterior(
    jax.tree.map(lambda leaf: np.asarray(leaf)[None], truth), history
)
regression = logistic(history)
magnitude = np.linspace(0.5, 5.0, 46)
figure, panels = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
for panel, (title, latitude) in zip(
    panels, {"middle": 35.0, "150 km north": 37.7}.items(), strict=True
):
    curve = detection_probability(posterior, magnitude, latitude, -117.5)
    true_curve = detection_probability(known, magnitude, latitude, -117.5)
    panel.fill_between(magnitude, curve["low"], curve["high"], alpha=0.3)
    panel.plot(magnitude, curve["detection_probability"], label="history model")
    panel.plot(
        magnitude, true_curve["detection_probability"], "k--", label="truth"
    )
    table = curve.to_dataframe()[
        ["magnitude", "latitude", "longitude", "depth_km"]
    ]
    panel.plot(
        magnitude,
        regression.detection_probability(table),
        label="logistic regression",
    )
    panel.set(title=title, xlabel="magnitude")
panels[0].set_ylabel("detection probability")
panels[0].legend()
