"""WHERE THE BYTES OF FILES ARE: blobs under random keys, in a folder or in a bucket.

What a file is called, how large it is and whether it exists is the database's to say; here are only bytes.
"""
