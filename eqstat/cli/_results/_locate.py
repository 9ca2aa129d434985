"""What the figure of a location shows beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eqstat import traveltime

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

FIGURE_DRAWS = 4000


def draws_of(result: Any, seed: int) -> dict[str, np.ndarray]:
    """Draws of a posterior for figures; empty for a fit."""
    if isinstance(result, traveltime.GridPosterior):
        import jax

        return result.draws(jax.random.key(seed), FIGURE_DRAWS)
    if not hasattr(result, "children"):
        return {}
    posterior = result["posterior"].to_dataset()
    return {str(name): values.to_numpy() for name, values in posterior.data_vars.items()}


def delay_of(result: Any, draws: dict[str, np.ndarray]) -> float:
    """Mean delay after a phase: the mixture's estimate, else 0."""
    import numpy as np

    if "delay_s" in draws:
        return float(np.median(draws["delay_s"]))
    if "delay_s" in getattr(result, "names", ()):
        return result["delay_s"]
    return 0.0


def silent_of(
    network: pd.DataFrame | None, observations: traveltime.Observations
) -> pd.DataFrame | None:
    """Devices of a network without a trigger in use, for the map."""
    if network is None:
        return None
    keys = ["device"] if "device" in network and "device" in observations.triggers else None
    keys = keys or ["latitude", "longitude"]
    used = observations.triggers[keys].apply(tuple, axis=1)
    silent = ~network[keys].apply(tuple, axis=1).isin(set(used))
    return network.loc[silent.to_numpy()]
