"""``python -m stream_consumer`` and the console script."""

from stream_consumer.cli.app import main

if __name__ == "__main__":
    main()
