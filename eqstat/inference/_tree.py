"""Draws as an `xarray.DataTree` in ArviZ's form, with units, labels and diagnostics."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from eqstat.inference._diagnostics import diagnose

# Ends of names and their units; longer ends first.
UNITS = {
    "_per_device_h": "1/h",
    "_km_s": "km/s",
    "_m_s2": "m/s2",
    "_m_s": "m/s",
    "_km": "km",
    "_s": "s",
}


def describe(name: str, units: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the attributes `units` and `long_name` of a variable.

    Parameters
    ----------
    name
        Name of the variable; its end gives the unit.
    units
        Units of variables whose name does not tell.

    Examples
    --------
    >>> describe("depth_km")
    {'units': 'km', 'long_name': 'depth'}
    >>> describe("latitude", {"latitude": "degrees_north"})
    {'units': 'degrees_north', 'long_name': 'latitude'}
    """
    end = next((end for end in UNITS if name.endswith(end)), "")
    unit = (units or {}).get(name, UNITS.get(end, "1"))
    return {"units": unit, "long_name": name.removesuffix(end).replace("_", " ")}


def to_tree(
    groups: Mapping[str, Mapping[str, Any]],
    *,
    dims: Mapping[str, Sequence[str]] | None = None,
    coords: Mapping[str, Any] | None = None,
    units: Mapping[str, str] | None = None,
    attrs: Mapping[str, Any] | None = None,
) -> xr.DataTree:
    """Build a tree of groups, describe its variables, and judge the sampling run if it is one.

    Parameters
    ----------
    groups
        From the name of a group to its arrays; but for data, with axes of chains and draws first.
    dims, coords
        Names of further dimensions of each variable, and their labels, as in
        `arviz_base.from_dict`.
    units
        Units of variables whose name does not tell.
    attrs
        Attributes of the root, beside the diagnostics.

    Returns
    -------
    xarray.DataTree

    Examples
    --------
    >>> draws = {"depth_km": np.ones((4, 50))}
    >>> tree = to_tree({"posterior": draws, "observed_data": {"time_s": np.arange(3.0)}})
    >>> tree["posterior"]["depth_km"].attrs["units"], dict(tree["observed_data"].sizes)
    ('km', {'time_s_dim_0': 3})
    """
    import arviz_base

    wanted = dims or {}
    sets = {}
    for group, arrays in groups.items():
        # As in `arviz_base.from_dict`, but one name may have other dimensions in another group.
        data = "data" in group
        fitting: dict[Hashable, Sequence[Hashable]] = {
            name: list(wanted[name])
            for name, values in arrays.items()
            if name in wanted and np.ndim(values) - (0 if data else 2) == len(wanted[name])
        }
        sets[group] = arviz_base.dict_to_dataset(
            dict(arrays),
            dims=fitting,
            coords=dict(coords or {}),
            sample_dims=[] if data else None,
            skip_event_dims="log_likelihood" in group,
        )
    tree = xr.DataTree.from_dict(sets)
    for group in tree.children.values():
        for name, variable in group.data_vars.items():
            variable.attrs.update(describe(str(name), units))
    if "sample_stats" in groups:
        tree.attrs.update(diagnose(tree))
    tree.attrs.update(attrs or {})
    return tree


def posterior_sites(tree: xr.DataTree, names: Sequence[str] | None = None) -> dict[str, np.ndarray]:
    """Return the draws of a tree's posterior, chains one after another.

    Parameters
    ----------
    tree
        From `run_nuts`.
    names
        Variables; all by default.

    Returns
    -------
    dict of numpy.ndarray
        Each with a leading axis of draws.

    Examples
    --------
    >>> tree = xr.DataTree.from_dict({"posterior": xr.Dataset(
    ...     {"sd": (("chain", "draw"), np.ones((4, 50)))})})
    >>> posterior_sites(tree)["sd"].shape
    (200,)
    """
    posterior = tree["posterior"].to_dataset()
    wanted: Sequence[Hashable] = list(posterior.data_vars) if names is None else names
    sites = {}
    for name in wanted:
        array = posterior[name].to_numpy()
        sites[str(name)] = array.reshape(-1, *array.shape[2:])
    return sites
