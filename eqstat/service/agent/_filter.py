"""Band-pass filter of a stream, in blocks: a matrix for each length of block, no compiled code."""

from __future__ import annotations

import math

import numpy as np

LONGEST_PIECE = 64


def _second_order(corner_hz: float, rate_hz: float, *, high: bool) -> tuple[list[float], ...]:
    """Coefficients of a Butterworth filter of second order, by the bilinear transform."""
    k = math.tan(math.pi * corner_hz / rate_hz)
    norm = 1.0 / (1.0 + math.sqrt(2.0) * k + k * k)
    numerator = [norm, -2 * norm, norm] if high else [k * k * norm, 2 * k * k * norm, k * k * norm]
    return numerator, [2 * (k * k - 1) * norm, (1 - math.sqrt(2.0) * k + k * k) * norm]


class BandPass:
    r"""High-pass and, where the rate allows it, low-pass filter of one channel.

    Both are Butterworth filters of second order. As they are linear, the output of a block of
    samples and the state after it are one matrix times the samples and the state before it; the
    matrix is made once for each length of block.

    Parameters
    ----------
    rate_hz
        Samples per second.
    low_hz, high_hz
        Corners of the band. The upper one is left out above 0.4 times the rate.
    """

    def __init__(self, rate_hz: float, low_hz: float = 1.0, high_hz: float = 15.0) -> None:
        self.rate_hz = rate_hz
        self._sections = [_second_order(min(low_hz, 0.2 * rate_hz), rate_hz, high=True)]
        if high_hz < 0.4 * rate_hz:
            self._sections.append(_second_order(high_hz, rate_hz, high=False))
        self._matrices: dict[int, np.ndarray] = {}
        self.reset()

    def reset(self) -> None:
        """Forget the past; the next sample is taken for the level of rest."""
        self._state = np.zeros(2 * len(self._sections))
        self._level = math.nan

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """Filter the next samples, (n,)."""
        if math.isnan(self._level) and len(samples):
            self._level = float(samples[0])
        pieces = []
        for begin in range(0, len(samples), LONGEST_PIECE):
            piece = samples[begin : begin + LONGEST_PIECE] - self._level
            out = self._matrix(len(piece)) @ np.concatenate([piece, self._state])
            pieces.append(out[: len(piece)])
            self._state = out[len(piece) :]
        return np.concatenate(pieces) if pieces else np.zeros(0)

    def _matrix(self, size: int) -> np.ndarray:
        if size not in self._matrices:
            width = len(self._state)
            unit = np.eye(size + width)
            signal, states = unit[:size], unit[size:].copy()
            for number, (numerator, denominator) in enumerate(self._sections):
                first, second = states[2 * number], states[2 * number + 1]
                out = np.empty_like(signal)
                for row, x in enumerate(signal):  # transposed direct form II
                    y = numerator[0] * x + first
                    first = numerator[1] * x - denominator[0] * y + second
                    second = numerator[2] * x - denominator[1] * y
                    out[row] = y
                signal = out
                states[2 * number], states[2 * number + 1] = first, second
            self._matrices[size] = np.concatenate([signal, states])
        return self._matrices[size]
