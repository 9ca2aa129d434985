from ._checks import randomised_pit as randomised_pit
from ._checks import rootogram as rootogram
from ._checks import tail_calibration as tail_calibration
from ._loo import compare as compare
from ._loo import loo as loo
