"""ObsPy, an extra: imported when it is needed."""

from __future__ import annotations

from typing import Any


def obspy_module(needed_by: str) -> Any:
    """Import ObsPy with its event classes.

    Parameters
    ----------
    needed_by
        What needs it, for the message.

    Raises
    ------
    ImportError
        Where it is not installed, with what to do.
    """
    try:
        import obspy
        import obspy.core.event
    except ImportError as error:
        raise ImportError(
            f"{needed_by} needs ObsPy: install eqstat with the extra `seismology`"
        ) from error
    return obspy
