"""`python -m reactor.cli` is `reactor`."""

from reactor.cli.main import main

main()
