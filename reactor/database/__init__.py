"""What is true at a timestamp: snapshots to read, batches of transactions to write.

Used inside runner processes only; the server never opens the database. Not here: what a function is, who is subscribed,
what a schema says about a document's shape.
"""
