"""A disk that fails at one chosen write, or a process that is killed at it."""

import contextlib
import errno
import os
from pathlib import Path

from fbseg_core import tensor_files
from pages.jobs import folder

MODULES = (tensor_files, folder)
WRITES = ("fsync", "chmod", "replace", "rename", "write")


class Killed(BaseException):
    """The process is gone: nothing that follows is done."""


class FailingOs:
    """The module os, of which the call number `at` of those that write fails; `half` of what it writes is
    written. full: that one call says that the disk is full; else all that follow fail, too."""

    def __init__(self, at, full):
        self.at, self.full, self.calls, self.dead = at, full, 0, False

    def __getattr__(self, name):
        real = getattr(os, name)
        if name not in WRITES and name != "fdopen":
            return real

        def call(*given):
            if self.dead:
                raise Killed
            self.calls += 1
            if self.calls == self.at:
                if name in ("write", "fdopen"):
                    half(name, *given)
                self.fail()
            return real(*given)

        return call

    def fail(self):
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.dead = True
        raise Killed


def half(name, handle, content):
    """A first part of what was to be written."""
    if name == "write":
        os.write(handle, content[: len(content) // 2])
    else:
        os.write(handle, b"half of a file")
        os.close(handle)


@contextlib.contextmanager
def failing(monkeypatch, at, full):
    """Within, call number `at` fails; yields what counts them. A killed process removes nothing either."""
    failing_os, unlink = FailingOs(at, full), Path.unlink

    def unlinked(path, missing_ok=False):
        if failing_os.dead:
            raise Killed
        unlink(path, missing_ok)

    with monkeypatch.context() as patch:
        for module in MODULES:
            patch.setattr(module, "os", failing_os)
        patch.setattr(Path, "unlink", unlinked)
        with contextlib.suppress(Killed):
            yield failing_os
