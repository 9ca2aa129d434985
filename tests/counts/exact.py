"""Probabilities of counts to 400 digits: recurrences in decimal arithmetic, nothing of eqstat."""

from decimal import Decimal, getcontext

getcontext().prec = 400
ZERO, ONE = Decimal(0), Decimal(1)


def beta_binomial(n, a, b, most):
    """Probabilities of 0 ... most; n a whole number."""
    first = ONE
    for i in range(n):
        first *= (b + i) / (a + b + i)
    out = [first]
    for k in range(most):
        step = (n - k) * (a + k) / ((k + 1) * (b + n - k - 1)) if k < n else ZERO
        out.append(out[-1] * step)
    return out


def base(family, n, mean, dispersion, most):
    """Probabilities of 0 ... most without bursts."""
    mean = Decimal(mean)
    if family == "poisson":
        out = [(-mean).exp()]
        for k in range(most):
            out.append(out[-1] * mean / (k + 1))
        return out
    size = 1 / Decimal(dispersion)
    if family == "negative_binomial":
        out = [(size * (size / (size + mean)).ln()).exp()]
        for k in range(most):
            out.append(out[-1] * (size + k) * mean / ((size + mean) * (k + 1)))
        return out
    q = (-mean / n).exp()
    return beta_binomial(n, (1 - q) * size, q * size, most)


def log_tails(family, n, mean, dispersion, burst, counts):
    """Log P(K >= k) of each count; `burst` is None or (probability, share, concentration)."""
    most = max(counts)
    f = base(family, n, mean, dispersion, most)
    if burst is not None:
        probability, share, concentration = (Decimal(v) for v in burst)
        g = beta_binomial(n, share * concentration, (1 - share) * concentration, most)
        f = [
            (1 - probability) * f[k] + probability * sum(f[i] * g[k - i] for i in range(k + 1))
            for k in range(most + 1)
        ]
    out, below = {}, ZERO
    for k in range(most + 1):
        if k in counts:
            out[k] = float((1 - below).ln())
        below += f[k]
    return [out[k] for k in counts]


def log_pmf(family, n, mean, dispersion, counts):
    """Log P(K = k) of each count, without bursts."""
    f = base(family, n, mean, dispersion, max(counts))
    return [float(f[k].ln()) for k in counts]
