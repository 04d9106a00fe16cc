import contextlib
import io
import itertools
import resource
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from apps.captioning import images

SIZE = 24  # nearly always: every size is traced again


@pytest.fixture(autouse=True)
def _seeded():
    """Set no seed: nothing is random, and a new seed makes TensorFlow set up functions again."""


# Images, and what Pillow makes of them


def noise(*shape, dtype="uint8"):
    """Pixels that differ from their neighbours, and images from their mirror images."""
    random = np.random.default_rng(sum(shape))
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def picture(mode="RGB", width=SIZE, height=SIZE):
    if mode == "1":
        return Image.fromarray(noise(height, width) > 127)
    if mode == "I;16":
        return Image.fromarray(noise(height, width, dtype="uint16"))
    if mode == "P":
        return picture("RGB", width, height).quantize(50)
    bands = [Image.fromarray(noise(height, width + band)[:, band:]) for band in range(len(mode))]
    return Image.merge(mode, bands)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def opened(content):
    return Image.open(io.BytesIO(content))


def over_white(image):
    if image.mode == "I;16":  # which Pillow cuts off at 255
        image = Image.fromarray((np.asarray(image) >> 8).astype("uint8"))
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")


def expected(image, size=SIZE):
    return np.asarray(over_white(image).resize((size, size), Image.Resampling.BILINEAR), int)


def decoded(content, size=SIZE):
    result = images.decode(content, size)
    assert result.shape == (size, size, 3)
    assert result.dtype == tf.uint8
    return result.numpy().astype(int)


def difference(content, image=None, size=SIZE):
    """The largest between an image as it is decoded here and by Pillow, or another image."""
    return np.abs(decoded(content, size) - expected(image or opened(content), size)).max()


def refused(content):
    """What is said of an image that must not be decoded."""
    with pytest.raises(tf.errors.InvalidArgumentError):
        images.decode(content, SIZE)
    said = images.check(content)
    assert said
    return said


# PNG, GIF and EXIF by hand, for what Pillow does not write


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, bits, colour, rows, *extra):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + bytes(row) for row in rows)))
    return b"".join([b"\x89PNG\r\n\x1a\n", header, *extra, data, chunk(b"IEND", b"")])


def mended(content):
    """A damaged PNG with checksums that are right again."""
    place, parts = 8, [content[:8]]
    while len(content) - place >= 12:
        length = int.from_bytes(content[place : place + 4])
        parts.append(chunk(content[place + 4 : place + 8], content[place + 8 : place + 8 + length]))
        place += 12 + length
    return b"".join(parts)


def gif_parts(image, interlace=0):
    """The logarithm of the size of the palette, the palette, and the data of the frame."""
    content = saved(image, "GIF", interlace=interlace)
    bits = content[10] % 8 + 1
    frame = 13 + 3 * 2**bits
    assert content[frame : frame + 1] == b","
    return bits, content[13:frame], content[frame + 10 : -1]


def gif(image, canvas=None, place=(0, 0), bits=None, clear=None, own=False, interlace=0):
    """A GIF of one frame somewhere on a canvas, with a palette of its own or a common one."""
    enough, palette, data = gif_parts(image, interlace)
    bits = bits or enough
    palette, flags = palette[: 3 * 2**bits], bytes([0x80 + bits - 1])
    control = b"" if clear is None else b"!\xf9\4\1\0\0" + bytes([clear, 0])
    parts = [b"GIF89a", struct.pack("<HH", *(canvas or image.size)), flags, b"\0\0"]
    # The common palette is there in any case, and misleads where there is another.
    comment = b"!\xfe\5,!,!,\0"
    parts += [palette[::-1] if own else palette, comment, control, comment]
    parts += [b",", struct.pack("<HHHH", *place, *image.size)]
    parts += [bytes([0x40 * interlace + own * flags[0]]), palette * own, data, b";"]
    return b"".join(parts)


def exif(order, orientation, long=False):
    """The EXIF data of a camera's name, an orientation and a date."""
    text = struct.Struct(order + "HHII")
    number = struct.Struct(order + ("HHII" if long else "HHIH2x"))
    entries = [
        text.pack(0x010F, 2, 4, 0x12010112),
        number.pack(0x0112, 4 if long else 3, 1, orientation),
        text.pack(0x0132, 2, 4, 0x00300030),
    ]
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, len(entries))
    return b"Exif\0\0" + head + b"".join(entries) + bytes(4)


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", 2 + len(data)) + data


def behind_the_start(content, *parts):
    return content[:2] + b"".join(parts) + content[2:]


MODES = ("1", "L", "LA", "RGB", "RGBA", "P", "I;16")
GOOD = {
    **{f"PNG {mode}": saved(picture(mode), "PNG") for mode in MODES},
    "PNG P with clear colours": saved(picture("P"), "PNG", transparency=bytes(range(0, 250, 5))),
    "PNG P of 2 bits": saved(picture().quantize(4), "PNG", bits=2),
    **{f"JPEG {mode}": saved(picture(mode), "JPEG") for mode in ("L", "RGB", "CMYK")},
    "JPEG progressive": saved(picture(), "JPEG", progressive=True),
    "GIF": saved(picture("P"), "GIF"),
    "GIF of grey": saved(picture("L"), "GIF"),
    "GIF with a clear colour": saved(picture("P"), "GIF", transparency=7),
}


# What is decoded


def test_every_kind_is_decoded_as_pillow_does_and_found_good():
    for name, content in GOOD.items():
        # Of the same size nothing is fitted. What is laid over white, or CMYK, is rounded.
        rounded = any(word in name for word in ("A", "clear", "CMYK"))
        assert difference(content) <= rounded, name
        assert images.check(content) is None, name


def test_images_of_any_size_are_squeezed_to_a_square():
    # Pillow rounds after fitting either side, `decode` once: by less than 3 halves in all, which in
    # whole numbers is 1. What is laid over white, or CMYK, Pillow has rounded once more before.
    for kind, modes in (("PNG", MODES), ("JPEG", ("L", "RGB", "CMYK")), ("GIF", ("L", "P"))):
        for mode in modes:
            most = 2 if mode in ("LA", "RGBA", "CMYK") else 1
            for sides in ((61, 35), (7, 30), (5, 3), (1, 1)):
                content = saved(picture(mode, *sides), kind)
                assert difference(content) <= most, (kind, mode, sides)


def test_images_of_extreme_sides_are_squeezed_to_a_square():
    for sides in ((1, 24), (24, 1), (3000, 2), (2, 3000), (100_000, 1), (1, 100_000)):
        assert difference(saved(picture("RGB", *sides), "PNG")) <= 1, sides


def test_of_16_bits_no_more_than_a_level_is_lost():
    values = noise(SIZE, SIZE, 4, dtype="uint16")
    colour, alpha = values[..., :3] / 257, values[..., 3:] / 65535
    for kind, channels, exact in ((2, 3, colour), (6, 4, 255 + alpha * (colour - 255))):
        rows = values[..., :channels].astype(">u2").reshape(SIZE, -1)
        content = png(SIZE, SIZE, 16, kind, (row.tobytes() for row in rows))
        # Of alpha as well as of colour.
        assert np.abs(decoded(content) - exact).max() < channels - 2


def test_a_colour_that_a_png_names_as_clear_is_white():
    # Of grey, of grey in 2 bits, of red, green and blue: 2 x 2 pixels, enlarged to blocks.
    for bits, colour, rows, key, shown in (
        (8, 0, [[50, 60], [70, 50]], [60], [[50, 255], [70, 50]]),
        (2, 0, [[0b00100000], [0b01110000]], [2], [[0, 255], [85, 255]]),
        (8, 2, [[1, 2, 3, 4, 5, 6], [4, 5, 7, 4, 5, 6]], [4, 5, 6], None),
    ):
        clear = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
        result = decoded(png(2, 2, bits, colour, rows, clear), 2)
        expected = [[[1, 2, 3], [255] * 3], [[4, 5, 7], [255] * 3]]
        if shown:
            expected = [[[value] * 3 for value in row] for row in shown]
        np.testing.assert_array_equal(result, expected)


def test_what_is_clear_is_white_whatever_its_colour():
    pixels = noise(30, 40, 4)
    pixels[..., 3] = 0
    assert decoded(saved(Image.fromarray(pixels), "PNG")).min() == 255


# The orientation of a photograph


def test_a_jpeg_is_turned_as_its_exif_says():
    for orientation, order, long in itertools.product(range(1, 9), "<>", (False, True)):
        content = saved(picture("RGB", 40, 30), "JPEG", exif=exif(order, orientation, long))
        image = opened(content)
        assert image.getexif()[0x0112] == orientation
        turned = ImageOps.exif_transpose(image)
        assert turned.size == ((40, 30) if orientation < 5 else (30, 40))
        assert difference(content, turned) <= 1, (orientation, order, long)


def test_exif_is_found_behind_other_parts_and_fillers_and_nowhere_else():
    content = GOOD["JPEG RGB"]
    decoy = segment(0xFE, exif(">", 3)) + segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0")
    true = b"\xff\xff" + segment(0xE1, exif(">", 6))
    assert difference(behind_the_start(content, decoy)) == 0
    assert difference(content + true) == 0
    # Where a walk through the data of the scan, taken for a header, would come by.
    scan = content.index(b"\xff\xda")
    scan += 2 + int.from_bytes(content[scan + 2 : scan + 4])
    place = scan + 2 + int.from_bytes(content[scan + 2 : scan + 4])
    assert place > len(content)
    assert difference(content.ljust(place, b"\0") + true) == 0
    turned = ImageOps.exif_transpose(opened(behind_the_start(content, true)))
    assert difference(content, turned) > 0
    assert difference(behind_the_start(content, decoy, true, decoy), turned) == 0


def test_a_png_is_turned_as_its_exif_says_wherever_it_is():
    for orientation, order in itertools.product(range(1, 9), "<>"):
        for mode in ("RGB", "LA"):
            data = exif(order, orientation)
            content = saved(picture(mode, 40, 30), "PNG", exif=data)
            turned = ImageOps.exif_transpose(opened(content))
            assert turned.size == ((40, 30) if orientation < 5 else (30, 40))
            assert difference(content, turned) <= 2, (orientation, order, mode)
            plain = saved(picture(mode, 40, 30), "PNG")
            end = chunk(b"eXIf", data[6:]) + plain[-12:]
            np.testing.assert_array_equal(decoded(plain[:-12] + end), decoded(content))
    for data in (b"", b"II*\0", b"MM\0*\xff\xff\xff\xff", exif("<", 9)[6:]):
        result = decoded(plain[:33] + chunk(b"eXIf", data) + plain[33:])
        np.testing.assert_array_equal(result, decoded(plain), repr(data))


def test_an_orientation_that_is_none_turns_nothing():
    content = saved(picture(), "JPEG")
    for data in (
        b"Exif\0\0",
        b"Exif\0\0II*\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff",
        *(exif(order, value) for order in "<>" for value in (0, 9, 65535)),
        exif("<", 2**31, long=True),
    ):
        result = decoded(behind_the_start(content, segment(0xE1, data)))
        np.testing.assert_array_equal(result, decoded(content), repr(data))
    # Without EXIF, a table that begins where a number at the beginning of the file would say.
    plain = behind_the_start(content, segment(0xFE, b"\0\0")).ljust(2**18, b"\0")
    assert plain[4:8] == struct.pack(">I", 2**18)
    np.testing.assert_array_equal(decoded(plain + exif(">", 3)[14:]), decoded(content))


# The first frame of a GIF


def test_of_several_frames_the_first_is_seen():
    first, *others = frames = [picture("P"), picture("L").quantize(20), picture("RGBA")]
    content = saved(first, "GIF", save_all=True, append_images=others, loop=0, duration=50)
    assert opened(content).n_frames == len(frames)
    assert difference(content, first) == 0


def test_of_a_gif_cut_off_the_first_frame_is_enough():
    image = picture("P")
    first = gif(image)[:-1]
    content = first + b"!\xf9\4\1\0\0\0\0," + gif_parts(image)[2] + b";"
    for end in (*range(len(first), len(first) + 10), *range(len(first) + 10, len(content), 50)):
        assert difference(content[:end], image) == 0


def test_a_frame_lies_at_its_place_on_a_white_canvas():
    image = picture("P", 16, 17)
    canvas = np.full((SIZE, SIZE, 3), 255)
    canvas[4:21, 6:22] = np.asarray(image.convert("RGB"))
    for interlace, own in itertools.product((0, 1), (False, True)):
        content = gif(image, (SIZE, SIZE), (6, 4), own=own, interlace=interlace)
        np.testing.assert_array_equal(decoded(content), canvas, f"{interlace} {own}")


def test_a_canvas_grows_with_a_frame_that_reaches_beyond():
    image = picture("P", 20, 16)
    canvas = np.full((SIZE, SIZE, 3), 255)
    canvas[8:, 4:] = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(decoded(gif(image, (1, 10), (4, 8))), canvas)


def test_what_is_clear_or_has_no_colour_in_a_gif_is_white():
    image = picture("P")
    enough, palette, _ = gif_parts(image)
    assert enough == 6
    for bits, clear in ((6, 0), (6, 30), (6, 255), (5, None), (5, 2), (5, 50)):
        colours = [tuple(palette[place : place + 3]) for place in range(0, 3 * 2**bits, 3)]
        colours = [colour for place, colour in enumerate(colours) if place != clear]
        shown = np.asarray(image.convert("RGB"), int)
        shown[[[tuple(pixel) not in colours for pixel in row] for row in shown]] = 255
        assert np.all(shown == 255, -1).any() == ((bits, clear) != (6, 255))
        for own in (False, True):
            content = gif(image, bits=bits, clear=clear, own=own)
            np.testing.assert_array_equal(decoded(content), shown, f"{bits} {clear} {own}")


def test_later_frames_are_not_looked_at_however_large():
    image = picture("P")
    for sides, data in (((40, 30), gif_parts(picture("P", 40, 30))[2]), ((65535, 65535), b"\6\0")):
        frame = b"," + struct.pack("<HHHH", 0, 0, *sides) + b"\0" + data
        with little_memory():
            assert difference(gif(image)[:-1] + frame + b";", image) == 0


# What is refused, and what is said of it


@contextlib.contextmanager
def little_memory(more=300):
    """No more than so many megabytes above those in use; what takes more fails."""
    usage = Path("/proc/self/statm")
    if not usage.exists():
        pytest.skip("needs /proc to measure memory")
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(usage.read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more * 2**20, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def test_what_is_no_whole_image_is_refused_with_a_reason():
    unknown = "the content is no image: expected JPEG, PNG or GIF"
    cut = "the GIF is damaged or cut off: its first frame is not whole"
    _, _, data = gif_parts(picture("P"))
    sides = struct.pack("<HH", SIZE, SIZE)
    for content, said in (
        (b"", "the image is empty: it has no bytes"),
        (b"G", unknown),
        ("Kein Bild, nur Wörter.\n".encode(), unknown),
        (saved(picture(), "BMP"), unknown),
        (saved(picture(), "WEBP"), unknown),
        (b"\xff\xd8\xff", "the JPEG is damaged or cut off"),
        (b"\x89PNG\r\n\x1a\n", "the PNG is damaged or cut off"),
        (png(0, 5, 8, 0, []), "the PNG is damaged or cut off"),
        (b"GIF89a", cut),
        (gif(picture("P"))[:-200], cut),
        (gif(picture("P")).replace(b",\0\0\0\0", b";\0\0\0\0"), cut),
        (b"GIF89a" + sides + bytes(3) + b",\0\0\0\0" + sides + b"\0" + data, cut),  # no palette
        (gif(picture("P")).replace(b"," + bytes(4) + sides, b"," + bytes(8)), cut),
        (gif(picture("P")).replace(b"," + bytes(4) + sides, b"," + bytes(4) + b"\0\0\1\0"), cut),
        # The data end, as their blocks say, before the frame is full.
        (gif(picture("P"))[:-300] + bytes(300), "the GIF is damaged or cut off"),
    ):
        assert refused(content) == said


def test_an_image_cut_off_anywhere_is_refused():
    for name in ("JPEG RGB", "JPEG progressive", "PNG RGB", "PNG P", "GIF"):
        content = GOOD[name]
        for end in np.linspace(10, len(content) - 2, 6, dtype=int):
            said = refused(content[:end])
            assert said.startswith(f"the {name.split()[0]} is damaged or cut off"), (name, end)


@pytest.mark.parametrize("way", ["in_a_graph", "eagerly"])
def test_an_image_of_too_many_pixels_is_refused_before_it_is_decoded(way, request):
    if way == "eagerly":  # where what is written first runs first
        request.getfixturevalue(way)
    # Whole and right but for its size: 1.3 kilobytes that are 400 megabytes in four channels.
    clear = chunk(b"tRNS", bytes(2))
    content = png(10_000, 10_000, 1, 0, [bytes(1250)] * 10_000, clear)
    assert len(content) < 20_000
    with little_memory():
        said = refused(content)
    assert said == (
        "the image is too large: 10000 x 10000 pixels, and at most 50,000,000 in all and "
        "1,000,000 a side are decoded; make it smaller"
    )


def test_the_limits_are_those_that_are_said():
    assert images.check(png(1_000_000, 1, 1, 0, [bytes(125_000)])) is None
    for width, height in [(1_000_001, 1), (1, 1_000_001), (10_000, 5001), (7072, 7072)]:
        said = images.check(png(width, height, 8, 0, []))
        assert said.startswith(f"the image is too large: {width} x {height} pixels")
    assert images.check(png(10_000, 5000, 8, 0, [])) == "the PNG is damaged or cut off"


def test_sides_of_any_number_are_refused():
    for sides in ((2**31, 2**31), (2**32 - 1, 2**32 - 1), (2**32 - 1, 1)):
        said = refused(png(*sides, 8, 2, []))
        assert said.startswith("the image is too large: {} x {} pixels".format(*sides))


def test_jpegs_and_gifs_are_measured_too():
    jpeg = GOOD["JPEG RGB"]
    frame = jpeg.index(b"\xff\xc0") + 5
    for content, width, height in (
        (jpeg[:frame] + struct.pack(">HH", 20_000, 30_000) + jpeg[frame + 4 :], 30_000, 20_000),
        (gif(picture("P"), canvas=(65_535, 60_000)), 65_535, 60_000),
        (gif(picture("P"), place=(9_976, 9_976)), 10_000, 10_000),
    ):
        with little_memory():
            said = refused(content)
        assert said.startswith(f"the image is too large: {width} x {height} pixels")


def test_a_line_takes_no_memory_of_a_square():
    content = png(1_000_000, 1, 1, 0, [b"\xaa" * 125_000])
    images.decode(GOOD["PNG RGB"], 224)
    with little_memory():
        assert set(np.unique(decoded(content, 224))) <= {127, 128}


# The ways to run


CONTENTS = [
    *GOOD.values(),
    saved(picture("RGB", 40, 30), "JPEG", exif=exif("<", 8)),
    saved(picture("RGBA", 33, 50), "PNG"),
    gif(picture("P", 10, 9), (20, 30), (5, 6), clear=3),
]


@pytest.fixture(scope="module")
def one_by_one():
    return np.stack([images.decode(content, SIZE) for content in CONTENTS])


def test_a_batch_of_all_kinds_is_as_one_by_one(one_by_one):
    batch = images.decode_batch(CONTENTS, SIZE)
    assert batch.dtype == tf.uint8
    np.testing.assert_array_equal(batch, one_by_one)
    assert images.decode_batch(tf.zeros([0], tf.string), SIZE).shape == (0, SIZE, SIZE, 3)


def test_a_batch_with_one_that_is_damaged_is_refused():
    with pytest.raises(tf.errors.InvalidArgumentError, match="no image: expected JPEG"):
        images.decode_batch([*CONTENTS, b"text"], SIZE)


def test_what_runs_eagerly_is_the_same(one_by_one, eagerly):
    for content, row in zip(CONTENTS, one_by_one, strict=True):
        np.testing.assert_array_equal(images.decode(content, SIZE), row)
    assert images.check(b"text") == "the content is no image: expected JPEG, PNG or GIF"
    assert images.check(GOOD["PNG L"][:-30]) == "the PNG is damaged or cut off"


def test_a_pipeline_of_data_is_the_same(one_by_one):
    rows = tf.data.Dataset.from_tensor_slices(CONTENTS).map(lambda row: images.decode(row, SIZE))
    assert rows.element_spec == tf.TensorSpec((SIZE, SIZE, 3), tf.uint8)
    np.testing.assert_array_equal(list(rows), one_by_one)


class Decoder(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def __call__(self, contents):
        return images.decode_batch(contents, SIZE)


def test_an_exported_decoder_answers_the_same(one_by_one, tmp_path):
    tf.saved_model.save(Decoder(), tmp_path)
    loaded = tf.saved_model.load(tmp_path)
    np.testing.assert_array_equal(loaded(tf.constant(CONTENTS)), one_by_one)
    for content in (b"", b"text", GOOD["GIF"][:-30]):
        with pytest.raises(tf.errors.InvalidArgumentError) as error:
            loaded(tf.constant([content]))
        assert images.check(content) in error.value.message


def test_other_bytes_are_no_reason_to_trace_anew():
    images.decode(GOOD["GIF"], SIZE)
    before = images._decode.experimental_get_tracing_count()
    for content in CONTENTS:
        images.decode(content, SIZE)
    assert images._decode.experimental_get_tracing_count() == before


# Whatever there may be in a file


@st.composite
def damaged(draw):
    content = bytearray(draw(st.sampled_from(CONTENTS)))
    places = st.integers(0, len(content) - 1)
    # Most of a file are its data; half of the damage is done to its header.
    places = places | st.integers(0, min(80, len(content) - 1))
    for place, value in draw(st.lists(st.tuples(places, st.integers(0, 255)), max_size=20)):
        content[place] = value
    content = bytes(content[: draw(st.just(len(content)) | places)])
    return mended(content) if draw(st.booleans()) and content[1:4] == b"PNG" else content


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.binary(max_size=200)
    | st.builds(bytes.__add__, st.sampled_from(images.STARTS), st.binary(max_size=200))
    | damaged()
)
def test_any_bytes_are_an_image_or_refused(content):
    said = images.check(content)
    try:
        decoded(content)
    except tf.errors.InvalidArgumentError:
        assert said
    else:
        assert said is None
