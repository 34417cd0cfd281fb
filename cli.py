"""Launcher for a checkout: ``python cli.py ...`` is ``guardrail ...``. Not shipped."""

from guardrail.cli import main

if __name__ == "__main__":
    main()
