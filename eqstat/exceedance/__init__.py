"""How strong will it shake here, and when is it right to warn?

Every prediction of this room is a `Mixture` of Gaussians on log10 of the peak ground acceleration;
`mixture` holds what can be asked of one.
"""

from eqstat.exceedance.mixture import Mixture, exceedance, log_exceedance

__all__ = ["Mixture", "exceedance", "log_exceedance"]
