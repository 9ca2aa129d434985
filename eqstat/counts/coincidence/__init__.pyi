from ._chance import log_chance as log_chance
from ._chance import log_coincidences_per_year as log_coincidences_per_year
from ._chance import log_odds_of_earthquake as log_odds_of_earthquake
from ._chance import probability_of_earthquake as probability_of_earthquake
from ._chance import smallest_required as smallest_required
from ._sensors import Sensors as Sensors
