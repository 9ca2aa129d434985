"""Slow ways to the least-squares hypocentre, in NumPy and SciPy: what the fits are held to."""

from __future__ import annotations

import numpy as np
from scipy import optimize

from eqstat._core.constants import EARTH_RADIUS_KM

DEPTH_KM, REGION_KM = 500.0, 500.0


class Oracle:
    """Sum of squares of one detection and one velocity, on the same box as `eqstat` fits."""

    def __init__(self, position_km: np.ndarray, time_s: np.ndarray, velocity: float) -> None:
        self.position_km, self.time_s, self.velocity = position_km, time_s, velocity

    def travel_time(self, nodes: np.ndarray) -> np.ndarray:
        """Travel times (nodes, devices) by straight lines from hypocentres (nodes, 3)."""
        east, north, depth = (nodes[:, i, None] for i in range(3))
        angle = np.hypot(east, north) / EARTH_RADIUS_KM
        shrink = np.sinc(angle / np.pi)
        inner = EARTH_RADIUS_KM - depth
        source = [inner * shrink * east / EARTH_RADIUS_KM, inner * shrink * north / EARTH_RADIUS_KM]
        up = -depth * np.cos(angle) - 2 * EARTH_RADIUS_KM * np.sin(angle / 2) ** 2
        squares = sum((a - self.position_km[:, i]) ** 2 for i, a in enumerate([*source, up]))
        return np.sqrt(squares) / self.velocity

    def residuals(self, node: np.ndarray) -> np.ndarray:
        """Residuals about their mean at one hypocentre."""
        residual = self.time_s - self.travel_time(np.atleast_2d(node))[0]
        return residual - residual.mean()

    def sums(self, nodes: np.ndarray) -> np.ndarray:
        """Sums of squares at many hypocentres."""
        residual = self.time_s - self.travel_time(nodes)
        return np.sum((residual - residual.mean(axis=1, keepdims=True)) ** 2, axis=1)

    def dense_grid(self, polish: int = 12) -> float:
        """Least sum of squares: a dense grid over the box, its best cells polished by SciPy."""
        half = np.geomspace(1.0, REGION_KM, 15)
        axis = np.concatenate([-half[::-1], [0.0], half])
        depth = np.concatenate([[0.0], np.geomspace(2.0, DEPTH_KM, 16)])
        nodes = np.stack([a.ravel() for a in np.meshgrid(axis, axis, depth, indexing="ij")], 1)
        values = np.concatenate([self.sums(part) for part in np.array_split(nodes, 16)])
        bounds = ([-REGION_KM, -REGION_KM, 0.0], [REGION_KM, REGION_KM, DEPTH_KM])
        best, used = np.inf, []
        for index in np.argsort(values)[:600]:
            node = nodes[index]
            near = (
                np.linalg.norm(node - other) < 0.3 * (5 + np.linalg.norm(other)) for other in used
            )
            if any(near):
                continue
            used.append(node)
            inside = np.clip(node, np.array(bounds[0]) + 1e-3, np.array(bounds[1]) - 1e-3)
            found = optimize.least_squares(
                self.residuals,
                inside,
                bounds=bounds,
                x_scale="jac",
                xtol=1e-12,
                ftol=1e-12,
                gtol=1e-12,
                max_nfev=400,
            )
            best = min(best, 2 * found.cost)
            if len(used) >= polish:
                break
        return best

    def starts(self, rng: np.random.Generator, number: int) -> np.ndarray:
        """Random hypocentres and origin times, as the paper starts its BFGS."""
        return np.column_stack(
            [
                rng.uniform(-100, 100, (number, 2)),
                rng.uniform(0, 100, number),
                rng.uniform(-30, 0, number),
            ]
        )

    def _four(self, four: np.ndarray) -> np.ndarray:
        node = np.array([four[0], four[1], np.clip(four[2], 0, DEPTH_KM)])
        return self.time_s - four[3] - self.travel_time(np.atleast_2d(node))[0]

    def scipy_bfgs(self, rng: np.random.Generator, number: int = 16) -> float:
        """The paper's way: BFGS with numerical gradients from random starts."""

        def objective(four: np.ndarray) -> float:
            return float(np.sum(self._four(four) ** 2))

        found = [optimize.minimize(objective, s, method="BFGS") for s in self.starts(rng, number)]
        return min(result.fun for result in found)

    def scipy_levenberg_marquardt(self, rng: np.random.Generator, number: int = 16) -> float:
        """SciPy's Levenberg-Marquardt from the same starts."""
        found = [
            optimize.least_squares(self._four, s, method="lm") for s in self.starts(rng, number)
        ]
        return min(2 * result.cost for result in found)
