from ._maps import to_cf as to_cf
from ._maps import write as write
