from ._locate import Learned as Learned
from ._locate import learn as learn
from ._locate import locate as locate
from ._location import CRUSTAL as CRUSTAL
from ._location import DepthPrior as DepthPrior
from ._location import RegionalLocation as RegionalLocation
from ._parameters import RegionalError as RegionalError
from ._simulate import simulate as simulate
