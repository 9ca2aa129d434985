# %% [markdown]
# # An earthquake in a service
#
# The core of a service takes messages and the time, and answers with alarms; broker, journal and
# outputs stand around it. This page follows one simulated earthquake through it, without a broker.

# %%
import dataclasses
import json
import tempfile
from pathlib import Path

import jax
import numpy as np
import pandas as pd

from eqstat import detection, service
from eqstat.service import outputs

NOW_S = 1.8e9
folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## A region of 150 phones
#
# The network is a table; the configuration says what the posterior competes with, and how strongly
# sites must shake to act.

# %%
rng = np.random.default_rng(0)
network = pd.DataFrame(
    {
        "device": [f"phone-{i}" for i in range(150)],
        "latitude": rng.uniform(-12.3, -11.8, 150),
        "longitude": rng.uniform(-77.1, -76.6, 150),
    }
)
network.to_csv(folder / "network.csv", index=False)
(folder / "sites.csv").write_text(
    "site,latitude,longitude\nhospital,-12.0,-77.0\ndam,-11.2,-76.0\n"
)
(folder / "service.toml").write_text("""
[[region]]
name = "lima"
network = "network.csv"
background_per_device_h = 0.2
earthquake_rate_per_year = 50.0
causes = ["network", "venue"]
cells = 64
depth_km = [10.0, 30.0]
[sites]
table = "sites.csv"
threshold_m_s2 = [0.1, 0.5]
""")
engine = service.Engine(service.read_config(folder / "service.toml"), NOW_S)

# %% [markdown]
# ## What the phones send
#
# Births, by which the service knows who listens, and the triggers of an earthquake that the
# detector's own model simulates, each some tenths of a second late.

# %%
model = engine.models[0]
often = dataclasses.replace(model.detector.causes[0], rate_per_year=1e6)
world = dataclasses.replace(
    model.detector, causes=(often, *model.detector.causes[1:])
)
streams = detection.simulate(jax.random.key(0), world, 200, now_s=NOW_S + 130.0)
enough = np.isfinite(streams.trigger_s).sum(axis=1) >= 25
one = np.flatnonzero((streams.cause == 0) & enough)[0]
messages = [
    (
        NOW_S,
        *service.encode(
            "birth", name, latitude=lat, longitude=lon, sent_s=NOW_S
        ),
    )
    for name, lat, lon in network.itertuples(index=False)
]
for device in np.flatnonzero(np.isfinite(streams.trigger_s[one])):
    time_s = float(streams.trigger_s[one, device])
    message = service.encode(
        "trigger", f"phone-{device}", time_s=time_s, sent_s=time_s + 0.05
    )
    messages.append((time_s + 0.1 + rng.exponential(0.2), *message))
messages.sort()
print(messages[-1][1], messages[-1][2].decode())

# %% [markdown]
# ## What the service says
#
# Messages as they come, and ten times a second a chance to decide.

# %%
events, at = [], 0
for now_s in np.arange(NOW_S, NOW_S + 350.0, 0.1):
    while at < len(messages) and messages[at][0] <= now_s:
        engine.take(messages[at][1], messages[at][2], messages[at][0])
        at += 1
    if engine.is_due(now_s):
        events += engine.advance(now_s)
origin_s = float(streams.origin_s[one])
pd.DataFrame(
    {
        "action": event.alarm["action"],
        "after origin (s)": event.alarm["issued_s"] - origin_s,
        "probability": event.alarm["probability"],
        "magnitude": event.alarm["magnitude"],
        "latitude": event.alarm["latitude"],
        "hospital shakes": event.sites[0]["exceedance_probability"][0]
        if event.sites
        else np.nan,
    }
    for event in events
).round(3)

# %% [markdown]
# The truth:

# %%
print(
    {
        name: round(float(getattr(streams, name)[one]), 2)
        for name in ("magnitude", "latitude")
    }
)

# %% [markdown]
# ## Why, and in which words
#
# Each decision has its reasons, which a service keeps in its journal (`eqstat explain`), and leaves
# as CAP, QuakeML or GeoJSON.

# %%
why = {k: v for k, v in events[0].why.items() if k not in ("triggers",)}
print(json.dumps(why, indent=1)[:900])
print(outputs.to_cap(events[0]).decode()[:700])
