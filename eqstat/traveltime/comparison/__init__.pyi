from ._compare import Choice as Choice
from ._compare import Comparison as Comparison
from ._compare import choose_likelihood as choose_likelihood
from ._compare import compare as compare
