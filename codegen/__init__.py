"""Manifest in, typed client source out.

    write(project / "functions" / "_generated", typescript.render(manifest))

Rendering is pure; `write` is the one function that touches the disk. Nothing here runs user code or a server.
"""

from codegen import typescript
from codegen.files import stale, write
from codegen.function_spec import function_spec

__all__ = ["function_spec", "stale", "typescript", "write"]
