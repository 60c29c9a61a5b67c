"""Who vouches for users? The keys of token issuers, fetched from where the project says they are, and tokens checked.

What a token must be like is decided in `auth`, which does no I/O; here is the I/O: one guarded way out of this machine
(`fetcher`), what was fetched before (`issuer_keys`), and both put together (`authenticator`).
"""
