"""Manifest in, typed client source out.

    Outputs(project, python_client="client/api.py").write(manifest)

Rendering is pure; writing is the one thing that touches the disk. Nothing here runs user code or a server.
"""

from codegen import openapi, python_client, typescript
from codegen.files import stale, write
from codegen.function_spec import function_spec
from codegen.outputs import Outputs

__all__ = ["Outputs", "function_spec", "openapi", "python_client", "stale", "typescript", "write"]
