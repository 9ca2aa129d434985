from ._cap import certainty as certainty
from ._cap import to_cap as to_cap
from ._geojson import to_geojson as to_geojson
from ._quakeml import to_quakeml as to_quakeml
from ._sender import Sender as Sender
