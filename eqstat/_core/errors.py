"""The error of every value or table that cannot be used."""


class InputError(ValueError):
    """Input that cannot be used: one line with the table, the column, the rows and the remedy."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
