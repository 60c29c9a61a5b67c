"""How does user code run? Never in the server process.

In the runners: the loader makes a Bundle of a project, a FunctionCaller runs one call of it on a Transaction or Snapshot
under the guards, and writer, reader and action loops decide which calls, and what becomes of their Outcomes. In the
server: a Nursery imports a bundle and forks runners, and the RunnerPool survives their deaths. `frames` is all that
passes between. Not here: who is subscribed to what, and the words of the wire.
"""
