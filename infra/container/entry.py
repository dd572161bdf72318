"""
The image's entry point. Its arguments choose between a Lambda handler, a command and a training job.

The rule: a name with a dot is a Lambda handler and goes to Lambda's runtime interface client. Any other name is a
command of stream-consumer, if this image has the commands. ``train`` alone, beside the files of a training job, is a
job of SageMaker.
"""

import importlib.util
import os
import re
import signal
import sys
from collections.abc import Mapping, Sequence

_HANDLER = re.compile(r"\w+(\.\w+)+")
_USAGE = 2


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """
    Run the handler, the command or the job in *arguments*.

    Raises:
        SystemExit: The command has ended, or cannot run.
    """
    if arguments and _HANDLER.fullmatch(arguments[0]):
        if "AWS_LAMBDA_RUNTIME_API" not in environ:
            _refuse(
                f"{arguments[0]} is a Lambda handler, and this is not Lambda: AWS_LAMBDA_RUNTIME_API is not set; "
                "run it behind AWS's runtime interface emulator, or give a command"
            )
        from awslambdaric.__main__ import main as serve  # noqa: PLC0415 (one of the two)

        serve(["awslambdaric", *arguments])
        return
    if importlib.util.find_spec("stream_consumer.cli") is None:
        _refuse(
            f"this image has no command {' '.join(arguments[:1])!r}: it is the lean image, which only answers Lambda's "
            "events of a Kinesis stream; build one with `make image DOORS=1` for batch, worker, serve and the other "
            "commands, or with TRAINING=1 for training"
        )
    from stream_consumer.cli.app import main as run  # noqa: PLC0415 (as above)
    from stream_consumer.training.sagemaker import is_job  # noqa: PLC0415 (as above)

    if list(arguments) == ["train"] and is_job():
        arguments = ["training-job"]

    # Otherwise the signal would not end process 1 of a container.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.argv = ["stream-consumer", *arguments]
    run()


def _refuse(why: str) -> None:
    print(why, file=sys.stderr)
    sys.exit(_USAGE)


if __name__ == "__main__":
    main(sys.argv[1:], os.environ)
