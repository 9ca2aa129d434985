"""Tables of features in groups whose log likelihood ratio is known."""

import numpy as np
import pandas as pd

FEATURES = ("iqr_g", "zc_hz", "cav_g_s")


def table_of(seed, quakes, others, windows=5, share=0.5):
    """Groups of windows: log-normal features, of whose variance a share is common to a group.

    Both classes have the same covariance, so that the log likelihood ratio of a single window is
    the linear one of `true_log_ratio`.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(quakes + others) < quakes, windows)
    event = np.repeat(np.arange(quakes + others), windows)
    common = rng.normal(size=(quakes + others, 3))[event]
    own = rng.normal(size=(len(event), 3))
    z = np.sqrt(share) * common + np.sqrt(1 - share) * own + np.where(labels, 0.5, -0.5)[:, None]
    table = pd.DataFrame(np.exp(z), columns=list(FEATURES))
    second = np.tile(np.arange(1, windows + 1), quakes + others)
    return table.assign(is_earthquake=labels, event=event, second=second)


def true_log_ratio(table):
    """Log likelihood ratio of a window of `table_of`: means differ by one, with unit variances."""
    return np.log(table[list(FEATURES)].to_numpy()).sum(axis=1)
