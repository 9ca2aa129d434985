# %% [markdown]
# # Features of a sensor's record
#
# A sensor sends packets of acceleration. They become a record, what looks wrong with it is named,
# and each second gets the features of the last two: those of MyShake and a few more. The record
# is simulated: an earthquake on a phone, after somebody has put the phone down.

# %%
import json

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eqstat import edge
from eqstat.waveform import (
    FEATURES,
    Record,
    augment,
    features,
    problems,
    read_openeew,
)

rng = np.random.default_rng(3)
rate = 100.0
t = np.arange(int(60 * rate)) / rate


def wave(onset_s, rise_s, decay_s, peak, lowest_hz, highest_hz):
    """Noise in a band under an envelope, (3, samples)."""
    frequency = np.fft.rfftfreq(len(t), 1 / rate)
    band = (frequency > lowest_hz) & (frequency < highest_hz)
    noise = np.fft.irfft(
        np.fft.rfft(rng.normal(size=(3, len(t)))) * band, len(t)
    )
    after = np.clip(t - onset_s, 0, None)
    envelope = (after / rise_s) * np.exp(1 - after / rise_s)
    envelope = np.where(
        after > rise_s, np.exp(-(after - rise_s) / decay_s), envelope
    )
    return peak * envelope * noise / np.abs(noise).max()


p_wave = wave(30.0, 1.5, 6.0, 0.05, 2.0, 12.0)
s_wave = wave(36.0, 2.5, 7.0, 0.4, 0.7, 6.0)
station = Record(
    acceleration_m_s2=p_wave + s_wave,
    rate_hz=rate,
    start_time="2027-01-15T08:00Z",
    gravity="out",
    vertical=2,
    device="station",
)

# %% [markdown]
# ## From a station to a phone
#
# The steps give the motion gravity, an unknown orientation, the rate, the noise and the rounding
# of a phone. A stomp is added by hand.

# %%
phone = augment.phone_like(jax.random.key(1), station)
samples = np.array(phone.acceleration_m_s2)
seconds = np.arange(samples.shape[1]) / phone.rate_hz
stomp = np.exp(-np.abs(seconds - 15.0) / 0.08) * np.sin(
    2 * np.pi * 9 * (seconds - 15.0)
)
samples += np.array([[0.8], [0.3], [-0.5]]) * stomp
phone = Record(
    acceleration_m_s2=samples,
    rate_hz=phone.rate_hz,
    start_time=phone.start_time,
    gravity="in",
    device="phone",
    name="phone",
)
print(phone)

# %% [markdown]
# ## What looks wrong
#
# Nothing is wrong with this record; in g instead of m/s2 it is refused, with the reason.

# %%
in_g = Record(
    acceleration_m_s2=samples / 9.80665,
    rate_hz=phone.rate_hz,
    start_time=phone.start_time,
    gravity="in",
)
print(problems(phone), *(problem.detail for problem in problems(in_g)))

# %% [markdown]
# ## Features
#
# A row at the end of each second, of the two seconds before it.

# %%
table = features(phone)
table.loc[[10, 15, 32, 40], ["time_s", *FEATURES]].round(3)

# %% mystnb={"image": {"alt": "Vector sum of a simulated phone's acceleration over a minute with a stomp and an earthquake; below, four features of it: CAV, duration, dominant period and STA/LTA."}}
figure, panels = plt.subplots(
    5, 1, figsize=(9, 8), sharex=True, layout="constrained"
)
level = np.median(samples, axis=1, keepdims=True)
panels[0].plot(
    seconds, np.linalg.norm(samples - level, axis=0), color="0.4", lw=0.6
)
panels[0].set(ylabel="vector sum, m/s²", yscale="log", ylim=(1e-3, 2))
shown = {
    "cav_m_s": "CAV, m/s",
    "duration_s": "duration, s",
    "dominant_period_s": "dominant period, s",
    "sta_lta": "STA/LTA",
}
for panel, (name, label) in zip(panels[1:], shown.items(), strict=True):
    panel.plot(table["time_s"], table[name], ".-", color="#d94801")
    panel.set(ylabel=label)
panels[1].set(yscale="log")
panels[4].set(yscale="log", xlabel="time after the record's start, s")
figure.align_ylabels()
plt.show()

# %% [markdown]
# The stomp at 15 s has the amplitude of the earthquake and another duration: a few tenths of a
# second hold its energy, while noise and earthquakes fill the window.
#
# ## On a small computer
#
# The same features from packets of any length, with NumPy alone.

# %%
stream = edge.FeatureStream(phone.rate_hz)
rows = []
for begin in range(0, samples.shape[1], 32):
    rows += stream.update(samples[:, begin : begin + 32])
small = pd.DataFrame([row for row in rows if row.status == edge.Status.OK])
print(
    "largest relative difference of CAV:",
    float((small["cav_m_s"] / table["cav_m_s"] - 1).abs().max()),
)

# %% [markdown]
# ## Packets of a sensor
#
# OpenEEW sensors send 32 samples of each axis in Gal, and the time of the last one. This one
# states 31.25 Hz, and its times say 30: the record has the rate that is measured.

# %%
lines = [
    json.dumps(
        {
            "device_id": "006",
            "sr": 31.25,
            "device_t": 1.8e9 + (number + 1) * 32 / 30.0,
            **{
                axis: rng.normal(0, 0.08, 32).round(3).tolist()
                for axis in "xyz"
            },
        }
    )
    for number in range(60)
    if number != 20
]
(record,) = read_openeew(lines)
print(f"{record.rate_hz:.3f} Hz")
print(
    *(f"{problem.kind}: {problem.detail}" for problem in problems(record)),
    sep="\n",
)
