"""Make the picture of README: `python docs/make_picture.py` writes `docs/_static/eqstat.png`."""

from __future__ import annotations

from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from eqstat import detection, plots, traveltime
from eqstat.traveltime import Design, MixtureParameters

OUT = Path(__file__).parent / "_static" / "eqstat.png"


def main() -> None:
    """Simulate, locate, follow second by second, and draw."""
    rng = np.random.default_rng(4)
    phones = Design(
        latitude=33.2 + 0.22 * rng.standard_normal(70),
        longitude=-116.5 + 0.26 * rng.standard_normal(70),
        window_s=(-10.0, 40.0),
    )
    truth = MixtureParameters(
        east_km=30.0,
        north_km=-20.0,
        depth_km=11.0,
        origin_time_s=0.0,
        p_share=0.5,
        s_share=0.35,
    )
    triggers = traveltime.simulate(jax.random.key(2), truth, phones)
    observations = traveltime.prepare(triggers)
    posterior = traveltime.grid(
        observations, likelihood="mixture", key=jax.random.key(0)
    )
    location = traveltime.report(observations, posterior)

    network = pd.DataFrame(
        {"latitude": phones.latitude, "longitude": phones.longitude}
    )
    network["device"] = [str(index) for index in range(len(network))]
    stream = triggers.drop(columns="device", errors="ignore").merge(
        network, on=["latitude", "longitude"], how="left"
    )
    origin = pd.Timestamp(phones.reference_time)
    watch = detection.detector(network, background=0.5)
    result = detection.replay(
        watch,
        stream,
        start=origin - pd.Timedelta(seconds=9),
        end=origin + pd.Timedelta(seconds=30),
    )

    figure, axes = plt.subplots(1, 3, figsize=(13.0, 4.0), layout="constrained")
    velocity = observations.data.velocity
    plots.section(
        location.triggers,
        location.origin_time,
        location.depth_km,
        velocity,
        delay_s=2.0,
        ax=axes[0],
    )
    place = phones.frame.to_geographic(truth.east_km, truth.north_km)
    plots.map_triggers(
        location.triggers,
        [location],
        truth=tuple(map(float, place)),
        ax=axes[1],
    )
    late_s = (result.history["time"] - origin).dt.total_seconds()
    axes[2].plot(late_s, result.history["probability"], color="C0", linewidth=2)
    for alarm in result.alarms:
        after = (alarm["time"] - origin).total_seconds()
        axes[2].axvline(after, color="C3", linestyle="--")
        axes[2].text(after + 0.7, 0.05, f"alarm, {after:.0f} s", color="C3")
    axes[2].set(
        xlabel="seconds after the origin",
        ylabel="probability of an earthquake",
        ylim=(-0.02, 1.02),
        title="Sequential posterior",
    )
    figure.savefig(OUT, dpi=80, pil_kwargs={"optimize": True})
    print(f"{OUT}: {OUT.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
