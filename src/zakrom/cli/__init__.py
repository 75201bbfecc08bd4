"""The command line: one file per command. The only room that reads the environment."""
