"""Reading files that others write: small regular ones, and nothing that only looks like one."""

import os
import stat
from pathlib import Path

LARGEST = 64 * 1024  # bytes
# A link is not followed, and a pipe in its place is not waited for.
HOW = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)


def content(path: Path) -> bytes:
    """The bytes of a regular file of moderate size. Raises OSError, and ValueError when it is something else."""
    descriptor = os.open(path, HOW)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a regular file")
        with open(descriptor, "rb", closefd=False) as file:
            read = file.read(LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(read) > LARGEST:
        raise ValueError(f"over {LARGEST} bytes")
    return read
