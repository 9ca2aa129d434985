"""Options of a training, and how it ended."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from eqstat._core.checks import check_choice, check_range, check_whole
from eqstat._core.explain import Explained


class TrainingStatus(enum.Enum):
    """How a training ended; the value is a message for the user.

    Examples
    --------
    >>> TrainingStatus.STOPPED_EARLY.ok, TrainingStatus.NOT_FINITE.ok
    (True, False)
    """

    STOPPED_EARLY = "stopped early: what was held out was predicted no better any more"
    ALL_EPOCHS = "all epochs were run; the state with the best held-out score is kept"
    NOT_FINITE = "not finite: the loss has no finite value; lower the learning rate"

    @property
    def ok(self) -> bool:
        """Whether the trained module can be used."""
        return self is not TrainingStatus.NOT_FINITE


class TrainingError(RuntimeError):
    """A training without a usable module; `result` holds the status.

    Examples
    --------
    >>> TrainingError(TrainingStatus.NOT_FINITE).result.name
    'NOT_FINITE'
    """

    def __init__(self, result: TrainingStatus, detail: str = "") -> None:
        self.result = result
        super().__init__(result.value + (f" ({detail})" if detail else ""))


@dataclass(frozen=True)
class TrainingOptions(Explained):
    """Options of training: AdamW on mini-batches, by default with a cosine schedule.

    Attributes
    ----------
    epochs
        Maximum number of epochs, the length of the schedule, at least 1.
    batch
        Rows per step, at least 1.
    learning_rate
        Initial learning rate, above 0; with a cosine schedule it decays to 0.
    weight_decay
        Decay of the weights (not the biases), per step and unit of learning rate.
    patience
        Epochs without a better held-out score after which a member stops.
    clip
        Largest norm of a gradient.
    schedule
        Of the learning rate: "cosine" or "constant".

    Examples
    --------
    >>> TrainingOptions(epochs=20).batch
    256
    """

    epochs: int = 100
    batch: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.1
    patience: int = 20
    clip: float = 1.0
    schedule: str = "cosine"

    def __post_init__(self) -> None:
        """Check the options."""
        check_whole(
            "TrainingOptions", 1, epochs=self.epochs, batch=self.batch, patience=self.patience
        )
        check_range(
            "TrainingOptions", 0, ends="()", learning_rate=self.learning_rate, clip=self.clip
        )
        check_range("TrainingOptions", 0, weight_decay=self.weight_decay)
        check_choice("TrainingOptions", ("cosine", "constant"), schedule=self.schedule)
