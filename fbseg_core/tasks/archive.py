"""A zip of images and masks, unpacked within bounds: it may come from anybody.

Bounded are its size, its entries, what they hold once unpacked, and their pixels. Links, passwords and paths
that lead outside are refused. Each fault is a ConfigError of one sentence.
"""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from fbseg_core.settings import ConfigError
from fbseg_core.tasks.picture_files import ENDINGS, called, size_of

MOST_PACKED = 50 * 2**20  # bytes
MOST_UNPACKED = 400 * 2**20  # bytes of all files
MOST_ENTRIES = 4000
MOST_PIXELS = 2**28  # of all images and masks together
MOST_DIRECTORY = 1000 * MOST_ENTRIES  # bytes: 46 for each, its name, and what archivers add
FARTHEST_END = 2**16 + 22  # bytes from where the directory's end is told to the end of the file
LONGEST = 200  # characters of a path in it
TAKEN = (*ENDINGS, ".txt")  # other files are left out
# what zipfile raises for files that are damaged, here and there
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, ValueError, LookupError,
    ArithmeticError, RuntimeError,
)  # fmt: skip
PART = 2**20  # bytes read at once


def unpack(file: BinaryIO, into: Path) -> int:
    """Write the pictures and lists of a zip into an empty folder; returns how many files.

    Raises ConfigError, with some files perhaps written: the caller throws the folder away.
    """
    file.seek(0, 2)
    if file.tell() > MOST_PACKED:
        raise ConfigError(f"The zip is larger than {MOST_PACKED >> 20} MB.")
    if _directory_size(file) > MOST_DIRECTORY:  # before all of it is read
        raise ConfigError(f"The zip holds too many entries; up to {MOST_ENTRIES:,} are taken.")
    try:
        with zipfile.ZipFile(file) as packed:
            return _unpack(packed, into)
    except ConfigError:
        raise
    except UNREADABLE:
        raise ConfigError("The file is no zip that can be read.") from None


def _unpack(packed: zipfile.ZipFile, into: Path) -> int:
    entries = packed.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ConfigError(f"The zip holds {len(entries):,} entries; up to {MOST_ENTRIES:,} are taken.")
    written, left, pixels = 0, MOST_UNPACKED, 0
    for entry in entries:
        path = _inside(entry)
        if path is None:
            continue
        target = into.joinpath(*path.parts)
        if target.exists():
            raise ConfigError(f"{called(str(path))}: the zip holds this file twice.")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            left -= _write(packed, entry, target, left)
        except OSError as error:  # a file where a folder must be, or a name that the disk does not take
            raise ConfigError(f"{called(str(path))}: cannot be unpacked ({error.strerror}).") from None
        written += 1
        if path.suffix.lower() in ENDINGS:
            height, width = size_of(target, str(path))
            pixels += height * width
            if pixels > MOST_PIXELS:
                raise ConfigError(f"The zip holds more than {MOST_PIXELS:,} pixels.")
    if not written:
        raise ConfigError("The zip holds no PNG, JPEG or TIFF.")
    return written


def _directory_size(file: BinaryIO) -> int:
    """Bytes of the directory of a zip, by what stands at its end; 0 where there is no such end."""
    length = file.seek(0, 2)
    file.seek(max(length - FARTHEST_END, 0))
    end = file.read()
    at = end.rfind(b"PK\5\6")
    return int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else 0


def _inside(entry: zipfile.ZipInfo) -> PurePosixPath | None:
    """Where an entry goes below the folder; None for one that is left out. Raises ConfigError."""
    name = entry.filename
    path = PurePosixPath(name)
    shown = f"{name!r:.80}"
    if len(name) > LONGEST:
        raise ConfigError(f"{shown}: this name is longer than {LONGEST} characters.")
    if path.is_absolute() or ".." in path.parts or any(sign in name for sign in "\\:\0"):
        raise ConfigError(f"{shown}: this path leads outside the zip.")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise ConfigError(f"{shown}: links are not taken.")
    if entry.flag_bits & 1:
        raise ConfigError(f"{shown}: this file is locked by a password.")
    hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
    return None if entry.is_dir() or hidden or path.suffix.lower() not in TAKEN else path


def _write(packed: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int) -> int:
    """Write one file of at most `left` bytes, whatever size it claims; returns its size."""
    size = 0
    with packed.open(entry) as source, target.open("xb") as written:
        while part := source.read(PART):
            size += len(part)
            if size > left:
                raise ConfigError(f"The zip holds more than {MOST_UNPACKED >> 20} MB once unpacked.")
            written.write(part)
    return size
