from ._descend import Descent as Descent
from ._descend import descend as descend
from ._descend import stacked as stacked
from ._options import TrainingError as TrainingError
from ._options import TrainingOptions as TrainingOptions
from ._options import TrainingStatus as TrainingStatus
