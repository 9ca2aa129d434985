from ._base import ConstantVelocity as ConstantVelocity
from ._base import VelocityModel as VelocityModel
from ._base import hypocentral_km as hypocentral_km
from ._chord import squared_chord as squared_chord
from ._chord import surface_point as surface_point
from ._load import layered as layered
from ._load import load_velocity as load_velocity
from ._tabulated import TableVelocity as TableVelocity
