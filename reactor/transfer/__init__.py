"""How do all the data get out and in, whole? Exports, imports, backups and restores.

What takes long is done in processes of their own, on a copy of the database or beside it; what changes the database is
one commit of the writer.
"""
