"""What happens by itself: recovering what a crash interrupted, and tidying up."""

from datetime import time, timedelta

from functions import attempts, clerk, generation_actions, grants, stripe, webhooks
from reactor import Crons

crons = Crons()

crons.interval("recover stuck jobs", timedelta(minutes=1), attempts.recover_stuck_jobs)
crons.interval("send lost webhooks", timedelta(minutes=1), webhooks.send_lost)
crons.interval("sweep loose objects", timedelta(minutes=5), generation_actions.sweep_objects)
crons.interval("forget what Clerk sent", timedelta(hours=6), clerk.forget_events)
crons.interval("forget what Stripe sent", timedelta(hours=6), stripe.forget_events)
crons.monthly("grant credits", 1, time(0, 0), grants.grant_monthly)
