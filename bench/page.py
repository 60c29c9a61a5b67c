"""Page: the tables of a run, put between the markers of a page of the documentation."""

from __future__ import annotations

import re
from pathlib import Path

from bench.results import Results
from bench.table import details, summary

_PARTS = {"summary": summary, "details": details}


def fill_in(path: Path, results: Results) -> None:
    """`<!-- bench:summary -->` … `<!-- /bench:summary -->`, and `details` alike. Raises ValueError without them."""
    text = path.read_text()
    for name, part in _PARTS.items():
        between = re.compile(rf"(<!-- bench:{name} -->).*?(<!-- /bench:{name} -->)", re.DOTALL)
        found = between.search(text)
        if found is None:
            raise ValueError(f"{path} has no <!-- bench:{name} --> … <!-- /bench:{name} -->")
        text = f"{text[: found.start()]}{found[1]}\n\n{part(results)}\n{found[2]}{text[found.end() :]}"
    path.write_text(text)
