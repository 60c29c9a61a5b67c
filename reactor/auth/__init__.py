"""Who is asking: an Identity made from what a token or an administrator says, and the check of tokens.

Nothing here does I/O: keys and the time are arguments. Import from the noun: `reactor.auth.identity`.
"""
