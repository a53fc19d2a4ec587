"""`python -m catalens` is the `catalens` command."""

from catalens.cli import main

if __name__ == "__main__":
    main()
