from ._packets import MOST_BYTES as MOST_BYTES
from ._packets import MOST_SAMPLES as MOST_SAMPLES
from ._packets import Packet as Packet
from ._packets import make_packet as make_packet
from ._packets import parse_openeew as parse_openeew
from ._packets import parse_shake as parse_shake
from ._packets import refused as refused
