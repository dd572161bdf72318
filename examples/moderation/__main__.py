"""``python -m examples.moderation``: prints what both classifiers say of a few comments."""

import signal
import sys

from examples.moderation.comments import PUT
from examples.moderation.run import moderate


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that temporary files are removed
    print(f"{'rude':>6}  {'topic':<8} comment")
    for one in moderate([comment.text for comment in PUT]):
        print(f"{one.values['tone']['rude']:>6.0%}  {one.values['topic']:<8} {PUT[int(str(one.id))].text}")


if __name__ == "__main__":
    main()
