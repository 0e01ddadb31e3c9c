"""Lets ``python -m gatewright`` be the same program as the ``gatewright`` command."""

from gatewright.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
