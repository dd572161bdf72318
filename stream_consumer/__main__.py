"""``python -m stream_consumer`` and the console script."""

import sys


def main() -> None:
    """Run the command line and exit. Ctrl-C ends it without a word from the first import on."""
    try:
        from stream_consumer.cli.app import main as run  # noqa: PLC0415

        run()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
