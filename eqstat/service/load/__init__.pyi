from ._run import LoadReport as LoadReport
from ._run import LoadTarget as LoadTarget
from ._run import run_load as run_load
from ._world import LoadSettings as LoadSettings
from ._world import LoadWorld as LoadWorld
from ._world import Messages as Messages
