"""How work is run: processes, background jobs, and the directory they share. Knows no store."""
