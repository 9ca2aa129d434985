"""Is it an earthquake, now?

Make a `detector` for a network, `init` its state, and `step` through what devices report: silent
devices count as well as triggers. Earthquakes compete with what looks like one (`causes`);
`locate` refines the hypocentre, `replay` runs a table of triggers.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
