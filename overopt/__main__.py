"""`python -m overopt`."""

from overopt.cli.commands import main

if __name__ == "__main__":
    main()
