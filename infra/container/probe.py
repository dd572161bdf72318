"""
Run inside the image: start its entry point as Lambda does, and print the time of init.

The probe needs only the image itself. Its Runtime API listens on loopback and never answers: a client that requests its
first invocation has finished init. An image without a model gets the example model.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from infra.container.example_model import write_example_model
from stream_consumer.models.files import directory_digest

_INIT_LIMIT_SECONDS = 10.0


def probe(handler: str) -> float:
    """
    Return the seconds from the start of the client's process to its first request.

    Time spent waiting for a processor is subtracted, since a build machine is shared and Lambda's vCPU is not.
    """
    with socket.create_server(("127.0.0.1", 0)) as server, tempfile.TemporaryFile() as output:
        server.settimeout(_INIT_LIMIT_SECONDS)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        started = time.monotonic()
        client = subprocess.Popen(  # noqa: S603 (the image's own entry point)
            [sys.executable, "/var/task/entry.py", handler],
            env=dict(os.environ) | {"AWS_LAMBDA_RUNTIME_API": address},
            stdout=output,
            stderr=output,
        )
        try:
            connection, _ = server.accept()
            with connection:
                seconds = time.monotonic() - started - _waited(client.pid)
                request = connection.recv(65536)
        except TimeoutError:
            sys.exit(f"init took more than {_INIT_LIMIT_SECONDS} s")
        finally:
            client.kill()
            client.wait()
        output.seek(0)
        if b"/invocation/next" not in request.split(b"\r\n")[0]:
            sys.exit(f"init failed: {output.read().decode(errors='replace')}{request.decode(errors='replace')}")
        return seconds


def _waited(pid: int) -> float:
    """
    Return the seconds in which the main thread was ready but had no processor.

    Source: Linux, Documentation/scheduler/sched-stats.
    """
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text(encoding="ascii").split()[1]) / 1e9
    except OSError:  # a kernel without this file
        return 0.0


if __name__ == "__main__":
    if not os.environ.get("MODEL_LOCATION"):
        os.environ["MODEL_LOCATION"] = tempfile.mkdtemp()
        write_example_model(Path(os.environ["MODEL_LOCATION"]))
        # Another scikit-learn has types with other names, which load only with a pin.
        os.environ["MODEL_DIGEST"] = directory_digest(Path(os.environ["MODEL_LOCATION"]))
    print(f"{probe(sys.argv[1]):.3f}")
