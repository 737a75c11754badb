"""Pictures that a stranger may send, as bytes."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

RNG = np.random.default_rng(0)
GREY = RNG.integers(1, 255, (64, 64)).astype(np.uint8)
DISC = (np.hypot(*np.mgrid[-1:1:64j, -1:1:64j]) < 0.5).astype(np.uint8)


def saved(picture, kind="PNG", **more):
    """A picture, or an array, as the bytes of a file."""
    out = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(out, kind, **more)
    return out.getvalue()


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def huge(side, bits=1):
    """A PNG of side² pixels, all black, of a few kB."""
    head = struct.pack(">IIBBBBB", side, side, bits, 0, 0, 0, 0)
    row = bytes(1 + side * bits // 8)
    packer = zlib.compressobj(9)
    content = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", content) + chunk(b"IEND", b"")


def turned(array, orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(array, "JPEG", exif=exif, quality=100, subsampling=0)


def frames(kind):
    """Three pictures in one file."""
    first, *rest = [Image.fromarray(GREY // n) for n in (1, 2, 3)]
    return saved(first, kind, save_all=True, append_images=rest)


COLOUR = np.stack([GREY, GREY[::-1], GREY.T], 2)
SOUND = saved(GREY)
MASK = saved(DISC * 255)
# name → file; what a sound answer to it is stands in test_hostile_images.py
IMAGES = {
    "grey": SOUND,
    "colour": saved(COLOUR),
    "20000 px": huge(20_000),
    "12000 px": huge(12_000),
    "1 px": saved(GREY[:1, :1]),
    "3 by 1000": saved(np.resize(GREY, (3, 1000))),
    "16 bits": saved(GREY.astype(np.uint16) * 257),
    "12 in 16 bits": saved(GREY.astype(np.uint16) * 16),
    "CMYK": saved(Image.fromarray(COLOUR).convert("CMYK"), "JPEG"),
    "transparent": saved(np.dstack([COLOUR, DISC * 255])),
    "EXIF": turned(GREY),
    "APNG": frames("PNG"),
    "GIF": frames("GIF"),
    "truncated": SOUND[: len(SOUND) // 2],
    "half a JPEG": saved(GREY, "JPEG")[:900],
    "empty": b"",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\n(x) run\n",
    "script behind": SOUND + b"<script>alert(1)</script>",
    "BMP": saved(GREY, "BMP"),
    "text bomb": SOUND[:-12] + chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**7), 9)) + SOUND[-12:],
}
TIFFS = {
    "float with NaN": saved(np.where(DISC, np.nan, 1).astype(np.float32), "TIFF"),
    "16 bits": saved(GREY.astype(np.uint16) * 257, "TIFF"),
    "pages": frames("TIFF"),
}
MASKS = {
    "sound": MASK,
    "empty": saved(DISC * 0),
    "full": saved(DISC * 0 + 255),
    "void": saved(Image.fromarray(DISC * 0 + 255).convert("P")),
    "another size": saved(DISC[:32]),
    "palette": saved(Image.fromarray(DISC, "P")),
    "JPEG": saved(DISC * 255, "JPEG"),
    "16 bits": saved(DISC.astype(np.uint16) * 65535),
    "transparent": saved(np.dstack([DISC * 255] * 3 + [DISC * 255])),
}
NAMES = [
    "../../x.png", "x\0.png", "n" * 5000 + ".png", "<img src=x onerror=alert(1)>.png", "![x](http://e.org/a).png",
    "x\n\u202egnp.png", ".png", "",
]  # fmt: skip
