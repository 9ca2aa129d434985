from ._loaders import load_ceus as load_ceus
from ._loaders import load_ceus_raw as load_ceus_raw
from ._loaders import load_eqn as load_eqn
from ._loaders import load_myshake as load_myshake
from ._loaders import load_ridgecrest as load_ridgecrest
from ._registry import DataFile as DataFile
from ._registry import available as available
from ._registry import fetch as fetch
