"""What the engine's own functions are called, for those who call them from other processes than they run in.

Names that belong to one kind of rows stand with these (`file_rows.py`, `transfer_rows.py` and so on).
"""

from __future__ import annotations

PREFIX = "_system/"
VARIABLES = "_system/environment:values"
UPDATE_VARIABLES = "_system/environment:update"

# The steps of a push: what they do is in structure_functions.py.
STATE = "_system/push:state"
PREPARE = "_system/push:prepare"
FILL_INDEX = "_system/push:fillIndex"
FILL_DOCUMENTS = "_system/push:fillDocuments"
WRITE_DRAFT = "_system/push:writeDraft"
DISCARD = "_system/push:discard"
SWEEP = "_system/push:sweep"
