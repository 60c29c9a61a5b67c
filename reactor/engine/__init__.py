"""Where runs and commits meet, in the server process: the log, the subscriptions and the runners as one machine.

Below it, `subscriptions` knows what is stale and `execution` how code runs; neither knows the other. Here a batch that
comes up from the writer moves the log's head, and a stale query goes down to a reader. What a client is told of it is
the business of whoever registered as a View.
"""
