"""Real processes of a real server: killed, starved, watched."""
