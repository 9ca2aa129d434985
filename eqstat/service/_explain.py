"""Why there was an alarm, from the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from eqstat._core.errors import InputError
from eqstat.service._journal import Journal


def explain(folder: str | Path, alarm: str) -> dict[str, Any]:
    """What the journal says of an alarm.

    Parameters
    ----------
    folder
        Folder of the journal.
    alarm
        Identifier of the alarm, or its beginning.

    Returns
    -------
    dict
        `id`; `revisions`, each with its `alarm`, `why` and `sites`; `deliveries` by output.

    Raises
    ------
    eqstat.InputError
        When there is no journal, or no or more than one such alarm.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> Journal(folder).close()
    >>> explain(folder, "20270115")
    Traceback (most recent call last):
        ...
    eqstat._core.errors.InputError: explain: no alarm '20270115' in the journal; it has none
    """
    if not (Path(folder) / "journal.sqlite").exists():
        raise InputError(f"explain: no journal in {str(folder)!r}")
    journal = Journal(folder)
    try:
        known = sorted({event.alarm["id"] for event in journal.events()})
        matching = [name for name in known if name.startswith(alarm)]
        if len(matching) != 1:
            shown = ", ".join((matching or known)[-5:]) or "none"
            count = "no alarm" if not matching else "several alarms"
            raise InputError(f"explain: {count} {alarm!r:.60} in the journal; it has {shown}")
        name = matching[0]
        return {
            "id": name,
            "revisions": [event._asdict() for event in journal.events(name)],
            "deliveries": journal.deliveries(name),
        }
    finally:
        journal.close()
