"""`python -m zakrom` is the same as `zakrom`."""

from zakrom.cli.main import main

if __name__ == "__main__":
    main()
