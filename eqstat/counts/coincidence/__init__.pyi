from ._coincidence import Sensors as Sensors
from ._coincidence import log_chance as log_chance
from ._coincidence import log_coincidences_per_year as log_coincidences_per_year
from ._coincidence import log_odds_of_earthquake as log_odds_of_earthquake
from ._coincidence import probability_of_earthquake as probability_of_earthquake
from ._coincidence import smallest_required as smallest_required
