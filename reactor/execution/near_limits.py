"""What a call is warned of that came to 80 % of a limit (reference §4.6): as lines of its log."""

from __future__ import annotations

from collections.abc import Iterator

from reactor.database.usage import Usage
from reactor.execution.run import Run
from reactor.limits import Limits, setting

_NEAR = 0.8


class NearLimits:
    """What is near each limit, worked out once: every call asks."""

    __slots__ = (
        "_arguments", "_bytes_read", "_bytes_written", "_cpu", "_documents_read", "_documents_written",
        "_index_ranges", "_limits", "_result", "_scheduled", "_scheduled_size",
    )  # fmt: skip

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._documents_read = limits.documents_read * _NEAR
        self._bytes_read = limits.bytes_read * _NEAR
        self._index_ranges = limits.index_ranges * _NEAR
        self._documents_written = limits.documents_written * _NEAR
        self._bytes_written = limits.bytes_written * _NEAR
        self._scheduled = limits.functions_scheduled * _NEAR
        self._scheduled_size = limits.scheduled_arguments_size * _NEAR
        self._arguments = limits.arguments_size * _NEAR
        self._result = limits.result_size * _NEAR
        self._cpu = limits.function_cpu * _NEAR

    def warn(self, run: Run, usage: Usage, arguments: int, result: int, cpu: float) -> None:
        """Look at all that was counted, once the call is over. Sizes in bytes, `cpu` in seconds."""
        if (
            usage.documents_read > self._documents_read
            or usage.bytes_read > self._bytes_read
            or usage.index_ranges > self._index_ranges
            or usage.documents_written > self._documents_written
            or usage.bytes_written > self._bytes_written
            or run.scheduled > self._scheduled
            or run.scheduled_size > self._scheduled_size
            or arguments > self._arguments
            or result > self._result
            or cpu > self._cpu
        ):
            for warning in _warnings(run, usage, self._limits, arguments, result, cpu):
                run.logs.warning(warning)


def _warnings(run: Run, usage: Usage, limits: Limits, arguments: int, result: int, cpu: float) -> Iterator[str]:
    run_in_all = "in a single function execution"
    counted = (
        (f"Many documents read {run_in_all}", usage.documents_read, "documents_read", ""),
        (f"Many bytes read {run_in_all}", usage.bytes_read, "bytes_read", " bytes"),
        (f"Many reads {run_in_all}", usage.index_ranges, "index_ranges", ""),
        (f"Many writes {run_in_all}", usage.documents_written, "documents_written", ""),
        (f"Many bytes written {run_in_all}", usage.bytes_written, "bytes_written", " bytes"),
        ("Many functions scheduled by this mutation", run.scheduled, "functions_scheduled", ""),
        (
            "Large total size of the arguments of scheduled functions from this mutation",
            run.scheduled_size,
            "scheduled_arguments_size",
            " bytes",
        ),
        ("Large size of the function arguments", arguments, "arguments_size", " bytes"),
        ("Large size of the function return value", result, "result_size", " bytes"),
    )
    for what, actual, name, unit in counted:
        most = getattr(limits, name)
        if actual > most * _NEAR:
            yield f"{what} (actual: {actual}{unit}, limit: {most}{unit}). {setting(name)}"
    if cpu > limits.function_cpu * _NEAR:  # without the time itself: it would make every run of a query another
        yield f"Function execution took a long time (limit: {limits.function_cpu:g}s). {setting('function_cpu')}"
