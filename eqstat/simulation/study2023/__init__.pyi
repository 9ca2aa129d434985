from ._study import false_detections as false_detections
from ._study import lima as lima
from ._study import test_detections as test_detections
from ._study import true_detections as true_detections
