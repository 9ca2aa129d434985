"""Oracle for travel times: Fermat's principle by brute force, straight pieces in a sphere."""

import numpy as np
from scipy.optimize import minimize

RADIUS_KM = 6371.0


def fermat_time(top_km, velocity, distance_km, depth_km, elevation_km=0.0):
    """Least time of a path source - down to some layer - device, over where it crosses layers.

    Every piece between two crossings is straight at the velocity of its layer; a piece that dips
    out of its layer is not allowed. Shares no formula with the code under test.
    """
    top, velocity = np.asarray(top_km, float), np.asarray(velocity, float)
    span = distance_km / RADIUS_KM
    source = int(np.searchsorted(top, depth_km, side="right")) - 1
    best = np.inf
    for deepest in range(source, top.size):
        down = top[source + 1 : deepest + 1]  # interfaces on the way down
        up = top[1 : deepest + 1][::-1]  # interfaces on the way up
        depth = np.concatenate([[depth_km], down, up, [-elevation_km]])
        layer = np.concatenate(
            [np.arange(source, deepest), [deepest], np.arange(deepest - 1, -1, -1)]
        ).astype(int)
        radius = RADIUS_KM - depth
        floor = RADIUS_KM - np.append(top[1:], RADIUS_KM)[layer]

        def total(inner, radius=radius, layer=layer, floor=floor, depth=depth):
            angle = np.concatenate([[0.0], np.sort(np.clip(inner, 0.0, 1.0)), [1.0]]) * span
            x, y = radius * np.sin(angle), radius * np.cos(angle)
            dx, dy = np.diff(x), np.diff(y)
            length = np.hypot(dx, dy)
            along = np.clip(-(x[:-1] * dx + y[:-1] * dy) / np.maximum(length**2, 1e-12), 0.0, 1.0)
            lowest = np.hypot(x[:-1] + along * dx, y[:-1] + along * dy)
            dip = np.maximum(floor - lowest - 1e-9, 0.0)
            return float((length / velocity[layer]).sum() + 1e3 * dip.sum())

        n = depth.size - 2
        if n == 0:
            best = min(best, total(np.empty(0)))
            continue
        for edge in (0.03, 0.2, 0.5):
            half = down.size
            start = np.concatenate(
                [
                    edge * np.arange(1, half + 1) / (half + 1),
                    1.0 - edge * np.arange(n - half, 0, -1) / (n - half + 1),
                ]
            )
            found = minimize(
                total,
                start,
                method="Nelder-Mead",
                options={"xatol": 1e-7, "fatol": 1e-8, "maxiter": 4000, "adaptive": True},
            )
            best = min(best, float(found.fun))
    return best
