from ._condition import Device as Device
from ._condition import condition as condition
from ._condition import update as update
from ._condition import update_event_term as update_event_term
from ._posterior import EventPosterior as EventPosterior
from ._posterior import predict as predict
