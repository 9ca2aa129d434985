from ._score import Score as Score
from ._score import Scorer as Scorer
from ._score import score as score
from ._score import scorer as scorer
from ._score_one import score_one as score_one
from ._threshold import threshold as threshold
from ._threshold import true_rates as true_rates
