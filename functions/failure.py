"""AttemptFailed: how an attempt at a generation ends when it does not succeed, and what follows from it. A plain class."""


class AttemptFailed(Exception):
    """`retry`: trying again may help. `refund`: if this is the end, the user is not to blame and gets the credits back.

    The message is shown to the user: it must not hold keys, addresses or what another server said in full.
    """

    def __init__(self, message: str, *, retry: bool, refund: bool = True) -> None:
        super().__init__(message)
        self.retry = retry
        self.refund = refund
