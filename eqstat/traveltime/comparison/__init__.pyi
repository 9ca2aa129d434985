from ._choose import Choice as Choice
from ._choose import choose_likelihood as choose_likelihood
from ._compare import Comparison as Comparison
from ._compare import compare as compare
from ._velocities import VelocityComparison as VelocityComparison
from ._velocities import compare_velocities as compare_velocities
