"""What did the developer declare? Tables, indexes, functions, and the shapes of what passes between them and clients.

From annotations to bytes: `wire_schema` walks pydantic's finished core schema once, `shape` compiles what it finds,
`table_definition` and `function_definition` use shapes. Nothing here runs a function or stores a document.
"""
