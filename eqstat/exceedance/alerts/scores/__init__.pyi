from ._protocol import LEVELS as LEVELS
from ._protocol import PROTOCOL_TIMES_S as PROTOCOL_TIMES_S
from ._protocol import protocol as protocol
from ._reliability import EDGES as EDGES
from ._reliability import pit_in_time as pit_in_time
from ._reliability import reliability_in_time as reliability_in_time
from ._value import value_curve as value_curve
