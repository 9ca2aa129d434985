from ._poisson_binomial import approximate_log_tails as approximate_log_tails
from ._poisson_binomial import at_least as at_least
from ._poisson_binomial import log_mass as log_mass
from ._poisson_binomial import log_tails as log_tails
