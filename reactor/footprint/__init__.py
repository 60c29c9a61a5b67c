"""What was touched, and whether two touches meet.

One theorem lives here and nowhere else: *a commit meets a read set, or it does not*. The Committer, the query cache and
the subscriptions all ask it in these words. Pure: bytes and numbers, no I/O, no clock.
"""
