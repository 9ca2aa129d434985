"""Registry of the files of the public data sets, and how they are obtained."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from eqstat._core.errors import InputError
from eqstat._core.explain import Explained

_FOLDER_VARIABLE = "EQSTAT_DATA"


@dataclass(frozen=True)
class DataFile(Explained):
    """One file of a public data set.

    Parameters
    ----------
    name : str
        Path in the folder given by `EQSTAT_DATA`.
    what : str
        Description of the contents, one line.
    columns : tuple of str
        Columns of the table.
    origin : str
        Page of its publisher.
    licence : str
        Terms of use.
    citation : str
        Reference to cite.
    url : str
        Address of the file at its origin; empty if the origin does not offer it in this form, so
        that it cannot be downloaded.
    sha256 : str
        SHA-256 of the file at `url`.

    Examples
    --------
    >>> from eqstat.datasets import available
    >>> available()[1].licence
    'CC0'
    """

    name: str
    what: str
    columns: tuple[str, ...]
    origin: str
    licence: str
    citation: str
    url: str = ""
    sha256: str = ""


MYSHAKE = DataFile(
    name="myshake/Borrego_Springs.csv",
    what="184 triggers of single phones about the M5.2 Borrego Springs earthquake of 2016-06-10",
    columns=("triggerTime", "latitude", "longitude", "pga", "corrected", "p_flag"),
    origin="https://github.com/rmartinshort/MyShake_simulation_supporting",
    licence="none stated: use it, do not pass it on",
    citation="R. Martin-Short, MyShake_simulation_supporting, data/Borrego_Springs.csv (GitHub)",
    url=(
        "https://raw.githubusercontent.com/rmartinshort/MyShake_simulation_supporting/"
        "4abe5eb46dd06288ad4a92f632f3aa3b339732f3/data/Borrego_Springs.csv"
    ),
    sha256="aa4070d273442f14b80fb99789444c210f33024d8196ddf795951d5bb86022cf",
)

EQN = DataFile(
    name="eqn2020/eqn_article_D1_usa_chl_ita.csv",
    what="550 detections of the Earthquake Network in Chile, the United States and Italy, "
    "2017-12 to 2020-01",
    columns=(
        "det_lat",
        "det_lon",
        "triggertime",
        "triggertime_local",
        "signals",
        "actives",
        "num_eq_matches",
        "magnitude",
        "triggerdelay",
    ),
    origin="https://github.com/EMSC-CSEM/EQN_2020_analysis",
    licence="none stated: use it, do not pass it on",
    citation=(
        "Bossu, Finazzi, Steed, Fallou and Bondar (2022), 'Shaking in 5 seconds!', Seismological "
        "Research Letters 93, 137-148, doi:10.1785/0220210180; EMSC-CSEM, EQN_2020_analysis"
    ),
    url=(
        "https://raw.githubusercontent.com/EMSC-CSEM/EQN_2020_analysis/"
        "daf2c40f04bd2e728ba02d0adf9ff8ebb607fc6d/eqn_article_D1_usa_chl_ita.csv"
    ),
    sha256="8dc72d489fd9e072292fadbb801e86c68f9df7c98424a4827c3c36b3cbf91975",
)


def _ceus(name: str, what: str, columns: tuple[str, ...]) -> DataFile:
    """File of the CEUS set: a table compiled from the origin's messages."""
    return DataFile(
        name=f"ceus/{name}",
        what=what,
        columns=columns,
        origin="https://github.com/usgs/neic-glass3/tree/master/examples/regional_example",
        licence="CC0",
        citation="U.S. Geological Survey, neic-glass3, examples/regional_example (GitHub)",
    )


STATIONS = _ceus(
    "stations.csv",
    "places of the stations",
    ("network", "station", "latitude", "longitude", "elevation_m"),
)
EVENTS = _ceus(
    "events.csv",
    "catalogued earthquakes of the central and eastern United States, 2017 to 2018",
    ("event", "time", "latitude", "longitude", "depth_km", "magnitude"),
)
PICKS = _ceus(
    "picks.csv",
    "picks of P and S, associated with the earthquakes by an automatic system",
    ("event", "network", "station", "time", "phase", "distance_deg"),
)
RAW = _ceus(
    "raw_picks.csv.gz",
    "all automatic picks from 120 s before to 240 s after each earthquake",
    ("event_window", "network", "station", "time"),
)

RIDGECREST = DataFile(
    name="ridgecrest/ground_motions.csv.gz",
    what="13,592 peak ground motions of 68 earthquakes of the Ridgecrest sequence of 2019",
    columns=(
        "event",
        "time",
        "event_latitude",
        "event_longitude",
        "depth_km",
        "magnitude",
        "magnitude_type",
        "station",
        "latitude",
        "longitude",
        "elevation_m",
        "hypocentral_distance_km",
        "rupture_distance_km",
        "joyner_boore_distance_km",
        "vs30_m_s",
        "pga_percent_g",
        "pgv_cm_s",
    ),
    origin="https://pypi.org/project/gmprocess/2.8.0/",
    licence="CC0",
    citation="U.S. Geological Survey, gmprocess 2.8.0, ground-motion tables of its test data",
)


def available() -> tuple[DataFile, ...]:
    """List the files of all data sets, with origin, licence and citation.

    Returns
    -------
    tuple of DataFile
        The registry.

    Examples
    --------
    >>> [file.name for file in available()][0]
    'myshake/Borrego_Springs.csv'
    """
    return (MYSHAKE, STATIONS, EVENTS, PICKS, RAW, EQN, RIDGECREST)


def fetch(name: str) -> Path:
    """Find a file in the folder given by `EQSTAT_DATA`, or download it from its origin.

    Parameters
    ----------
    name : str
        Name of a file in `available()`.

    Returns
    -------
    pathlib.Path
        Path of the file. A file in the folder is used as it is; a download is verified.

    Raises
    ------
    InputError
        When the name is unknown, or the file is missing and its origin does not offer it.

    Examples
    --------
    >>> from eqstat import InputError
    >>> try:
    ...     fetch("other.csv")
    ... except InputError as error:
    ...     print(str(error)[:33])
    data set 'other.csv' is not known
    """
    known = {file.name: file for file in available()}
    if name not in known:
        raise InputError(f"data set {name!r} is not known; known are {', '.join(known)}")
    file, folder = known[name], os.environ.get(_FOLDER_VARIABLE)
    if folder and (path := Path(folder) / name).is_file():
        return path
    if not file.url:
        looked = f"is not in {folder}" if folder else f"is not here: {_FOLDER_VARIABLE} is not set"
        raise InputError(
            f"data set {name!r} {looked}, and its origin {file.origin} does not offer it as a "
            f"table to download; make a table with the columns {', '.join(file.columns)} "
            f"from it, as {name} in a folder, and let {_FOLDER_VARIABLE} name that folder"
        )
    import pooch

    return Path(
        pooch.retrieve(
            url=file.url,
            known_hash=f"sha256:{file.sha256}",
            fname=Path(name).name,
            path=Path(pooch.os_cache("eqstat")) / Path(name).parent,
        )
    )
