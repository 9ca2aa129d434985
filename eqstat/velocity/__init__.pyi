from ._base import ConstantVelocity as ConstantVelocity
from ._base import VelocityModel as VelocityModel
from ._load import layered as layered
from ._load import load_velocity as load_velocity
from ._tabulated import TableVelocity as TableVelocity
