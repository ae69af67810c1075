"""``python -m stylezoo``: the command line."""

from stylezoo.cli import main

if __name__ == "__main__":
    main()
