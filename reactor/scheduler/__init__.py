"""What happens later: scheduled functions, started when they are due.

A job is a document of `_scheduled_functions`, written in the same commit as the data of whoever scheduled it. This room
watches those documents by a live query like any other, and sleeps until that query or the clock says more.
"""
