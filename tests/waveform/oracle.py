"""Features of a window in plain Python, sample by sample: an independent implementation."""

import math


def percentile(values, share):
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] * (1 - (place - low)) + ordered[high] * (place - low)


def about_mean(window, mask):
    """Samples of each axis about their mean; None where one is missing."""
    axes = []
    for axis in window:
        known = [float(a) for a, there in zip(axis, mask, strict=True) if there]
        mean = math.fsum(known) / len(known)
        axes.append(
            [float(a) - mean if there else None for a, there in zip(axis, mask, strict=True)]
        )
    return axes


def vertical_of(window, mask):
    means = [
        math.fsum(float(a) for a, there in zip(axis, mask, strict=True) if there) / sum(mask)
        for axis in window
    ]
    size = math.hypot(*means)
    return [m / size for m in means] if 7.0 <= size <= 12.5 else None


def window(samples, mask, rate_hz):
    """Features of one window by name, but for STA/LTA."""
    axes = about_mean(samples, mask)
    size, dt = len(mask), 1 / rate_hz
    there = [i for i in range(size) if mask[i]]
    length = {i: math.hypot(*(axis[i] for axis in axes)) for i in there}
    pairs = [i for i in range(size - 1) if mask[i] and mask[i + 1]]
    crossings = []
    for axis in axes:
        band = 1e-5 * math.sqrt(sum(axis[i] ** 2 for i in there) / len(there))
        crossings.append(sum((axis[i] > band) != (axis[i + 1] > band) for i in pairs))
    integral = sum(0.5 * (length[i] + length[i + 1]) * dt for i in pairs)
    energy = sum(length[i] ** 2 for i in there)

    def time_of(share):
        total = 0.0
        for i in range(size):
            more = length[i] ** 2 if mask[i] else 0.0
            if total + more >= share * energy:
                return (i + (share * energy - total) / more) * dt
            total += more

    jumps = sum((axis[i + 1] - axis[i]) ** 2 for axis in axes for i in pairs) / len(pairs)
    ratio = math.sqrt(jumps / (energy / len(there)))
    up = vertical_of(samples, mask)
    flat = math.nan
    if up is not None:
        upright = sum(
            sum(u * axis[i] for u, axis in zip(up, axes, strict=True)) ** 2 for i in there
        )
        flat = math.sqrt((energy - upright) / 2 / upright)
    tensor = [[sum(a[i] * b[i] for i in there) for b in axes] for a in axes]
    squared = sum(tensor[i][j] * tensor[j][i] for i in range(3) for j in range(3))
    return {
        "iqr_m_s2": percentile(length.values(), 0.75) - percentile(length.values(), 0.25),
        "zero_crossings": max(crossings),
        "cav_m_s": integral * (size - 1) / len(pairs),
        "peak_m_s2": max(length.values()),
        "duration_s": time_of(0.95) - time_of(0.05),
        "dominant_period_s": 2 * math.pi * dt / (2 * math.asin(ratio / 2)),
        "hv_ratio": flat,
        "polarization": math.sqrt((3 * squared - energy**2) / (2 * energy**2)),
    }


def power(samples, mask):
    """Sum of squares about the mean over the axes, and number of samples."""
    if not any(mask):
        return 0.0, 0
    axes = about_mean(samples, mask)
    return sum(a * a for axis in axes for a in axis if a is not None), sum(mask)


def table(samples, mask, rate_hz, window_s=2.0, step_s=1.0, long_s=10.0):
    """Rows of features at the end of each step from the first full window on."""
    size, step = round(window_s * rate_hz), round(step_s * rate_hz)
    long = round(long_s / step_s)
    rows = []
    for end in range(step, samples.shape[1] + 1, step):
        if end < size:
            continue
        row = window(samples[:, end - size : end], mask[end - size : end], rate_hz)
        last, count = power(samples[:, end - step : end], mask[end - step : end])
        before = [
            power(samples[:, b : b + step], mask[b : b + step])
            for b in range(end - (long + 1) * step, end - step, step)
            if b >= 0
        ]
        seen = sum(n for _, n in before)
        if 10 * seen >= 8 * long * step and 10 * count >= 8 * step:
            row["sta_lta"] = math.sqrt((last / count) / (sum(s for s, _ in before) / seen))
        else:
            row["sta_lta"] = math.nan
        rows.append(row)
    return rows
