from . import packets as packets
