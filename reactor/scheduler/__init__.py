"""What happens later: scheduled functions and crons, started when they are due.

A job is a document of `_scheduled_functions`, written in the same commit as the data of whoever scheduled it; the run of a
cron is one of `_cron_runs`. This room watches those documents by live queries like any other, and sleeps until one of
them or the clock says more.
"""
