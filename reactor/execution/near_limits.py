"""What a call is warned of that came to 80 % of a limit (reference §4.6): as lines of its log."""

from __future__ import annotations

from collections.abc import Iterator

from reactor.database.usage import Usage
from reactor.execution.run import Run
from reactor.limits import Limits, setting

_NEAR = 0.8


def warn_of_limits(run: Run, usage: Usage, limits: Limits, arguments: int, result: int, cpu: float) -> None:
    """Look at all that was counted, once the call is over. Sizes in bytes, `cpu` in seconds."""
    if (
        usage.documents_read > limits.documents_read * _NEAR
        or usage.bytes_read > limits.bytes_read * _NEAR
        or usage.index_ranges > limits.index_ranges * _NEAR
        or usage.documents_written > limits.documents_written * _NEAR
        or usage.bytes_written > limits.bytes_written * _NEAR
        or run.scheduled > limits.functions_scheduled * _NEAR
        or run.scheduled_size > limits.scheduled_arguments_size * _NEAR
        or arguments > limits.arguments_size * _NEAR
        or result > limits.result_size * _NEAR
        or cpu > limits.function_cpu * _NEAR
    ):
        for warning in _warnings(run, usage, limits, arguments, result, cpu):
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
