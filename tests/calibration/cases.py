"""Detections whose distributions are known."""

import numpy as np


def normal(rng, quakes=200, noise=300, shift=1.5):
    """Scores of earthquakes N(shift, 1) and of noise N(0, 1), mixed; larger: earthquake."""
    label = rng.permutation(np.arange(quakes + noise) < quakes)
    return rng.normal(size=label.size) + shift * label, label


def tied(rng, quakes=40, noise=60):
    """Whole-numbered scores with many ties."""
    score, label = normal(rng, quakes, noise)
    return np.round(score), label


def clustered(rng, clusters=40, size=10, share=0.8):
    """Values 0 and 1 that are mostly those of their cluster, and the clusters."""
    cluster = np.repeat(np.arange(clusters), size)
    own = rng.random(clusters) < 0.3
    alone = rng.random(cluster.size) < 0.3
    return np.where(rng.random(cluster.size) < share, own[cluster], alone), cluster


def within(hits, number, probability, *, least=True):
    """Whether so many hits fit a coverage of at least (or of just) a probability."""
    error = 4 * np.sqrt(probability * (1 - probability) / number)
    return hits / number >= probability - error and (least or hits / number <= probability + error)
