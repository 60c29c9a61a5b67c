"""reactor measured beside its peers, in one run on one machine: `make bench`, or `python -m bench --help`.

What it tells and how: docs/performance.md.

A *subject* is a server under test; a *workload* drives it and gives a *reading*, a flat record of figures. Subjects are
pinned to one core and the load to another; every subject is measured once in each round, one after the other, so that
what else the machine does meets all of them alike. Only ratios of one run mean anything. A *floor* is what the machine
itself can do of the same work.
"""
