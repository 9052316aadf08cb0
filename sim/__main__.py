"""`python -m sim` is `interdyn`."""

from sim.cli import main

if __name__ == "__main__":
    main()
