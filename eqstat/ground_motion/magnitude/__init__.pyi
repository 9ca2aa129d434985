from ._from_peaks import from_peaks as from_peaks
from ._peaks import PEAKS as PEAKS
from ._prior import GutenbergRichter as GutenbergRichter
from ._simulate import simulate as simulate
