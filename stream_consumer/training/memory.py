"""The memory available to this process."""

import contextlib
import os
from pathlib import Path

# Source: Linux kernel documentation, "Control Group v2", memory.max, and "Memory Resource Controller" of version 1.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def machine_memory(limits: tuple[str, ...] = _LIMITS) -> int:
    """Return the bytes of the machine's memory, or the container's limit in one of the files *limits*."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for limit in limits:
        with contextlib.suppress(OSError, ValueError):  # no such file, or it says "max"
            memory = min(memory, int(Path(limit).read_text(encoding="ascii")))
    return memory
