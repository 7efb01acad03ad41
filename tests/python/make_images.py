"""Image files of every format that the runtime decodes, and beside each NAME its pixels as Pillow has them, NAME.rgb: RGB,
upright by EXIF, on white. The JPEGs of FIXTURES are copied: Pillow writes too few kinds.

    make_images.py FIXTURES OUT
"""
import io
import struct
import sys
import zlib
from pathlib import Path

from PIL import Image, ImageChops, ImageOps

fixtures, out = map(Path, sys.argv[1:])
SIZE = (24, 20)


def picture():
    image = Image.new("RGB", SIZE)
    image.putdata([((x * 37 + y * 11) % 256, 10 * x, 12 * y) for y in range(SIZE[1]) for x in range(SIZE[0])])
    return image


def on_white(image):
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, "white")
    white.alpha_composite(rgba)
    return white.convert("RGB")


def keep(name, content, expected=None):
    (out / name).write_bytes(content)
    if expected is None:
        expected = on_white(ImageOps.exif_transpose(Image.open(io.BytesIO(content))))
    (out / f"{name}.rgb").write_bytes(expected.tobytes())


def encoded(image, kind, **options):
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def exif(orientation, big, kind):
    """EXIF data of the one field; kind 3 is SHORT, 4 LONG."""
    end = ">" if big else "<"
    value = struct.pack(end + ("HH" if kind == 3 else "I"), *([orientation, 0] if kind == 3 else [orientation]))
    return (b"MM" if big else b"II") + struct.pack(end + "HIHHHI", 42, 8, 1, 0x112, kind, 1) + value + bytes(4)


def segment(marker, content):
    return bytes([0xFF, marker]) + struct.pack(">H", len(content) + 2) + content


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, bits, colours, rows, extra=b""):
    header = struct.pack(">IIBBBBB", width, len(rows), bits, colours, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def bmp(bits, compression, header, pixels, more=b"", colours=0):
    """A BMP of 4 by 2 pixels; `more` are its masks or its palette."""
    info = struct.pack("<IiiHHIIiiII", header, 4, 2, 1, bits, compression, len(pixels), 0, 0, colours, 0)
    # Masks are within the later headers; a palette follows the first one.
    info = (info + more).ljust(header, b"\0")
    offset = 14 + len(info)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + info + pixels


def animated_webp(frame, left, top, transparent):
    """An animation of one picture that begins at `left`, `top` (even) of a larger canvas."""
    three = lambda value: struct.pack("<I", value)[:3]
    part = lambda name, content: name + struct.pack("<I", len(content)) + content
    place = three(left // 2) + three(top // 2) + three(frame.width - 1) + three(frame.height - 1) + three(100) + b"\0"
    head = bytes([0x12 if transparent else 2, 0, 0, 0]) + three(SIZE[0] - 1) + three(SIZE[1] - 1)
    parts = part(b"VP8X", head) + part(b"ANIM", bytes(6))
    parts += part(b"ANMF", place + encoded(frame, "WEBP", lossless=True)[12:])
    return b"RIFF" + struct.pack("<I", len(parts) + 4) + b"WEBP" + parts


image = picture()
alpha = Image.new("L", SIZE)
alpha.putdata([0 if y < 8 else 128 if y < 12 else 255 for y in range(SIZE[1]) for _ in range(SIZE[0])])
clear = image.copy()
clear.putalpha(alpha)
frames = [ImageChops.offset(image, k, 0) for k in range(3)]

for file in sorted(fixtures.glob("*.jpg")):
    # What is refused is tested by name.
    if file.name != "4x1_2x1_1x1_scan_each.jpg":
        keep(file.name, file.read_bytes())

keep("rgb.png", encoded(image, "PNG"))
keep("transparent.png", encoded(clear, "PNG"))
keep("grey_transparent.png", encoded(clear.convert("LA"), "PNG"))
keep("one_bit.png", encoded(image.convert("1"), "PNG"))
for colours in (2, 4, 16, 200):
    keep(f"palette_{colours}.png", encoded(image.quantize(colours), "PNG"))
keep("palette_transparent.png", encoded(image.quantize(8), "PNG", transparency=3))
keep("colour_transparent.png", encoded(image, "PNG", transparency=image.getpixel((0, 0))))
keep("animated.png", encoded(frames[0], "PNG", save_all=True, append_images=frames[1:]))
keep("wide.png", png(4, 16, 2, [bytes(range(24)), bytes(range(100, 124))]))
keep("wide_transparent.png", png(2, 16, 6, [bytes(range(0, 256, 16)), bytes(range(15, 256, 16))]))
keep("wide_grey_transparent.png", png(4, 16, 4, [bytes(range(0, 256, 16)), bytes(range(7, 256, 16))]))

keep("lossy.webp", encoded(image, "WEBP", quality=80))
keep("lossless.webp", encoded(image, "WEBP", lossless=True))
keep("lossy_transparent.webp", encoded(clear, "WEBP", quality=80))
keep("lossless_transparent.webp", encoded(clear, "WEBP", lossless=True))
keep("animated.webp", encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:]))
small = image.crop((0, 0, 10, 8))
placed = Image.new("RGB", SIZE, "white")
placed.paste(small, (4, 6))
for transparent in (False, True):
    keep(f"part_{transparent}.webp", animated_webp(small, 4, 6, transparent), placed)

keep("one.gif", encoded(image.quantize(16), "GIF"))
keep("animated.gif", encoded(frames[0].quantize(16), "GIF", save_all=True, append_images=[f.quantize(16) for f in frames[1:]]))
keep("transparent.gif", encoded(clear, "GIF"))
gif = bytearray(encoded(small.quantize(8), "GIF"))
frame = gif.index(b",", 13 + 3 * (2 << (gif[10] & 7)))
gif[6:10] = struct.pack("<HH", *SIZE)
gif[frame + 1 : frame + 5] = struct.pack("<HH", 4, 6)
placed = Image.new("RGB", SIZE, "white")
placed.paste(small.quantize(8).convert("RGB"), (4, 6))
keep("at_an_offset.gif", bytes(gif), placed)

keep("rgb.bmp", encoded(image, "BMP"))
keep("palette.bmp", encoded(image.quantize(16), "BMP"))
keep("one_bit.bmp", encoded(image.convert("1"), "BMP"))
keep("transparent.bmp", encoded(clear, "BMP"))
masks = struct.pack("<IIII", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
pixels = bytes(v for i, a in enumerate([0, 64, 128, 255, 255, 200, 100, 0]) for v in (10 * i, 20 * i, 30 * i, a))
opaque = bytes(v if k % 4 < 3 else 0 for k, v in enumerate(pixels))
keep("version_4.bmp", bmp(32, 3, 108, pixels, masks))
keep("version_5.bmp", bmp(32, 3, 124, pixels, masks))
keep("fourth_byte.bmp", bmp(32, 0, 40, pixels))
keep("alpha_nowhere.bmp", bmp(32, 3, 124, opaque, masks), Image.open(io.BytesIO(bmp(32, 0, 40, opaque))).convert("RGB"))
keep("bits_565.bmp", bmp(16, 3, 52, bytes(range(16)), struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
palette = bytes([0, 0, 255, 0, 0, 255, 0, 0, 255, 0, 0, 0, 9, 9, 9, 0])
keep("runs_8.bmp", bmp(8, 1, 40, bytes([4, 1, 0, 0, 0, 4, 0, 1, 2, 3, 0, 1]), palette, 4))
keep("runs_4.bmp", bmp(4, 2, 40, bytes([4, 0x12, 0, 0, 4, 0x30, 0, 1]), palette, 4))

for orientation in range(1, 9):
    for big in (False, True):
        for kind in (3, 4):
            data = exif(orientation, big, kind)
            name = f"turned_{orientation}_{'MM' if big else 'II'}_{'LONG' if kind == 4 else 'SHORT'}"
            plain = encoded(image, "JPEG", quality=95, subsampling=0)
            # After JFIF, a comment and other data in a segment of the same number.
            end = 4 + struct.unpack(">H", plain[4:6])[0]
            before = segment(0xFE, b"c" * 60_000) + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x/>")
            turned = segment(0xE1, b"Exif\0\0" + data) + segment(0xE1, b"Exif\0\0" + exif(1, True, 3))
            expected = ImageOps.exif_transpose(Image.open(io.BytesIO(encoded(image, "JPEG", quality=95, subsampling=0, exif=b"Exif\0\0" + data))))
            keep(f"{name}.jpg", plain[:end] + before + turned + plain[end:], expected)
            keep(f"{name}.webp", encoded(image, "WEBP", lossless=True, exif=data))
            grey = png(3, 8, 0, [b"abc", b"def"])
            keep(f"{name}.png", grey[:-12] + chunk(b"eXIf", data) + grey[-12:])
