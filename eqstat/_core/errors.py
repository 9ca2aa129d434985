"""The error of every value or table that cannot be used."""


class InputError(ValueError):
    """Input that cannot be used: one line with the table, the column, the rows and the remedy.

    Examples
    --------
    >>> from eqstat.velocity import ConstantVelocity
    >>> try:
    ...     ConstantVelocity(4.5, 7.8)
    ... except InputError as error:
    ...     print(error)
    s_velocity_km_s must be below p_velocity_km_s, got 7.8 and 4.5
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class TableWarning(UserWarning):
    """A table can be used, but something in it may not be as meant.

    Its text is also among the notes of what was made of the table; the shell shows it as a note.

    Examples
    --------
    >>> issubclass(TableWarning, UserWarning)
    True
    """
