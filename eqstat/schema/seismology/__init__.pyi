from ._picks import is_seismological as is_seismological
from ._picks import join_stations as join_stations
from ._picks import read_picks as read_picks
from ._picks import read_stations as read_stations
