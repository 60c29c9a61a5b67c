"""WHO TAKES FILES IN, HANDS THEM OUT AND CLEARS THEM AWAY: the server's side of blobs and of their rows."""
