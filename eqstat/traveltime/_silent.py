"""Devices of a network that have not triggered."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from eqstat._core.errors import InputError

Table = Any


def silent_devices(network: Table, triggers: Table, now: pd.Timestamp) -> tuple[Table, list[str]]:
    """Active devices without a trigger, and what to say about the match of the tables."""
    active, notes = network, []
    if "active_from" in network:
        active = active[~(active["active_from"] > now)]
    if "active_to" in network:
        active = active[~(active["active_to"] <= now)]
    if len(active) < len(network):
        gone = len(network) - len(active)
        notes.append(f"{gone} devices of the network are not active at {now}: not silent")
    if "device" in network and "device" in triggers:
        known = active["device"].isin(set(triggers["device"]))
        strangers = ~triggers["device"].isin(set(network["device"]))
        asleep = triggers["device"].isin(set(network["device"]) - set(active["device"]))
        if asleep.any():
            notes.append(f"{int(asleep.sum())} triggers come from devices that are not active")
    else:
        places = pd.MultiIndex.from_frame(triggers[["latitude", "longitude"]].round(5))
        sites = pd.MultiIndex.from_frame(active[["latitude", "longitude"]].round(5))
        known: Table = pd.Series(sites.isin(places), index=active.index)
        strangers: Table = pd.Series(~places.isin(sites), index=triggers.index)
    if strangers.any():
        _refuse_strangers(triggers, strangers)
        notes.append(f"{int(strangers.sum())} triggers come from devices that the network lacks")
    return active[~known], notes


def _refuse_strangers(triggers: Table, strangers: Any) -> None:
    """Refuse a network that lacks most devices: those that it lists would all count as silent."""
    lacking = strangers.to_numpy()
    if lacking.mean() <= 0.5:
        return
    first, what = "", "place"
    if "device" in triggers:
        first, what = f" ({triggers['device'].iloc[int(np.argmax(lacking))]!r})", "name"
    raise InputError(
        f"network: {lacking.sum()} of {len(triggers)} triggers come from devices that it lacks"
        f"{first}, and those that it lists would count as silent; is it their network, and is each "
        f"{what} written alike in both tables?"
    )
