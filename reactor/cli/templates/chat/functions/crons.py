"""What happens by itself."""

from datetime import timedelta

from functions import housekeeping
from reactor import Crons

crons = Crons()
crons.interval("forget old messages", timedelta(hours=1), housekeeping.forget_old)
