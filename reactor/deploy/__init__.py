"""How do code and schema arrive? By a push: what changed on disk is loaded, compared, and put in force whole or not at all.

The watcher says that something changed, the deployer has the application load and switch, the plan says in words what is
different. Loading itself happens in a nursery (`execution`), the switch in a commit of the new writer.
"""
