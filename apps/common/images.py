"""Images from their bytes, within the graph: what a camera, a browser or a scanner writes.

Everything here is a stock TensorFlow operation, so that an exported model takes the bytes of a
file and needs no program beside it. The size of an image is read from its header before anything
is decoded: a file of some kilobytes can hold more pixels than there is memory.
"""

import re
from collections.abc import Callable

import tensorflow as tf

MOST_PIXELS = 50_000_000
KINDS = ("JPEG", "PNG", "GIF", "BMP")
JPEG, PNG, GIF, BMP = range(len(KINDS))
STARTS = ((b"\xff\xd8\xff",), (b"\x89PNG\r\n\x1a\n",), (b"GIF87a", b"GIF89a"), (b"BM",))
ORIENTATION = 0x0112  # the tag of EXIF
EXIF, IDAT, TRNS = (int.from_bytes(name) for name in (b"Exif\0\0", b"IDAT", b"tRNS"))
MOST_STEPS = 100_000  # through the parts of a file: more are no image but an attack


@tf.function(autograph=False)
def decode(content: tf.Tensor, size: int) -> tf.Tensor:
    """Decodes one image and fits it into a square.

    It takes JPEG (turned as its EXIF orientation says), PNG, the first frame of a GIF, and BMP
    without compression; in colour or grey, with a palette, of 8 or 16 bits. What is transparent
    is laid over white.

    The whole image is seen, squeezed to a square where it is none. A captioner must not lose what
    stands at an edge, as it would by cropping; and next to the bars of a padded image, squeezing
    leaves all pixels of a small square to what can be seen and looks alike for square images and
    for others. A photograph of 4:3 is distorted by a third, which a model learns to read.

    Args:
        content: A string scalar, the bytes of the file.
        size: The side of the square, in pixels.

    Returns:
        Of shape `(size, size, 3)` in float32, red, green and blue from 0 to 1.

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if the content is empty, no image of these
            formats, larger than `MOST_PIXELS`, or damaged.
    """
    content = tf.ensure_shape(content, ())
    count = tf.strings.length(content)
    content = _required(count > 0, "the image is empty: it has no bytes", content)
    kind = _kind(content)
    content = _required(
        kind >= 0, "the content is no image: expected JPEG, PNG, GIF or BMP", content
    )
    readers = (_jpeg, _png, _gif, _bmp)
    branches = [lambda read=read: read(content, size) for read in readers]
    image = tf.switch_case(tf.maximum(kind, 0), branches)
    return tf.ensure_shape(tf.clip_by_value(image, 0.0, 1.0), (size, size, 3))


@tf.function(autograph=False)
def decode_batch(contents: tf.Tensor, size: int) -> tf.Tensor:
    """Decodes images of any formats and sizes, as `decode` does.

    Args:
        contents: Strings of shape `(batch,)`.
        size: The side of the squares, in pixels.

    Returns:
        Of shape `(batch, size, size, 3)` in float32.

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if one of them is refused.
    """
    spec = tf.TensorSpec((size, size, 3), tf.float32)
    return tf.map_fn(
        lambda content: decode(content, size),
        contents,
        fn_output_signature=spec,
        parallel_iterations=2,  # of large images there shall not be many at a time
    )


def check(content: bytes) -> str | None:
    """Says what is wrong with one image, or returns None where `decode` takes it."""
    try:
        decode(tf.constant(content, tf.string), 1)
    except tf.errors.InvalidArgumentError as error:
        if said := re.search(r"assertion failed: \[(.*?)\]", error.message):
            return said[1].strip("'\"")
        return f"the {KINDS[int(_kind(tf.constant(content)))]} is damaged or cut off"
    return None


def _required(condition: tf.Tensor, message: str | tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Returns a value that cannot be computed with unless a condition holds."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(value)


def _kind(content: tf.Tensor) -> tf.Tensor:
    """Returns the place of the format among `KINDS`, or -1."""
    found = [
        tf.reduce_any([tf.strings.substr(content, 0, len(start)) == start for start in starts])
        for starts in STARTS
    ]
    return tf.where(tf.reduce_any(found), tf.argmax(tf.cast(found, tf.int32), 0, tf.int32), -1)


# Numbers within the bytes


def _number(
    data: tf.Tensor, place: tf.Tensor | int, size: int, little: tf.Tensor | bool = False
) -> tf.Tensor:
    """Reads an unsigned number; what is beyond the end counts as zeros.

    Args:
        data: The bytes, uint8 of shape `(n,)` with n at least 1.
        place: Where it begins, an int64 scalar.
        size: How many bytes it has.
        little: Whether the first byte counts least.
    """
    places = place + tf.range(size, dtype=tf.int64)
    last = tf.size(data, tf.int64) - 1
    values = tf.cast(tf.gather(data, tf.clip_by_value(places, 0, last)), tf.int64)
    powers = tf.constant([256**power for power in range(size)], tf.int64)
    powers = tf.where(little, powers, powers[::-1])
    return tf.reduce_sum(tf.where(places <= last, values, 0) * powers)


def _walk(step: Callable, *state: tf.Tensor | int) -> tuple[tf.Tensor, ...]:
    """Repeats a step over whole numbers, of which the first says whether to go on."""
    start = [tf.cast(value, tf.int64) for value in state]
    return tf.while_loop(lambda on, *_: on > 0, step, start, maximum_iterations=MOST_STEPS)


def _one(condition: tf.Tensor) -> tf.Tensor:
    return tf.cast(condition, tf.int64)


def _if(condition: tf.Tensor, yes: tf.Tensor | int, no: tf.Tensor | int) -> tf.Tensor:
    return tf.where(condition, tf.cast(yes, tf.int64), tf.cast(no, tf.int64))


def _measured(content: tf.Tensor, width: tf.Tensor, height: tf.Tensor, kind: int) -> tf.Tensor:
    """Returns the content of an image whose size is sane."""
    content = _required(
        (width > 0) & (height > 0),
        f"the {KINDS[kind]} is damaged or cut off: its header gives no size",
        content,
    )
    said = tf.strings.format(
        f"the image is too large: {{}} x {{}} pixels, and at most {MOST_PIXELS:,} are decoded; "
        f"make it smaller",
        (width, height),
    )
    # The product of two sides of 32 bits is not within 64 with a sign.
    small = (width <= MOST_PIXELS) & (height <= MOST_PIXELS) & (width * height <= MOST_PIXELS)
    return _required(small, said, content)


def _fitted(image: tf.Tensor, size: int) -> tf.Tensor:
    """Squeezes `(height, width, channels)` to a square in float32, on the same scale."""
    return tf.image.resize(image, (size, size), method="bilinear", antialias=True)


# The formats


def _jpeg(content: tf.Tensor, size: int) -> tf.Tensor:
    data = tf.io.decode_raw(content, tf.uint8)

    def step(on, place, exif, width, height):
        del on
        marker = _number(data, place + 1, 1)
        filler = marker == 0xFF  # any number of these may stand before a marker
        bare = (marker == 0x01) | ((marker >= 0xD0) & (marker <= 0xD7))  # has no length
        frame = (marker >= 0xC0) & (marker <= 0xCF)
        frame &= (marker != 0xC4) & (marker != 0xC8) & (marker != 0xCC)
        here = (marker == 0xE1) & (_number(data, place + 4, 6) == EXIF) & (exif == 0)
        length = _if(filler, 1, _if(bare, 2, 2 + _number(data, place + 2, 2)))
        following = place + length
        # The scan, the end, or what is no marker: the header is over.
        over = (marker == 0) | (marker == 0xD9) | (marker == 0xDA)
        on = ~over & (_number(data, following, 1) == 0xFF)
        return (
            _one(on),
            following,
            _if(here, place + 10, exif),
            _if(frame, _number(data, place + 7, 2), width),
            _if(frame, _number(data, place + 5, 2), height),
        )

    _, _, exif, width, height = _walk(step, 1, 2, 0, 0, 0)
    content = _measured(content, width, height, JPEG)
    image = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")
    return _turned(_fitted(image, size) / 255.0, _orientation(data, exif))


def _orientation(data: tf.Tensor, exif: tf.Tensor) -> tf.Tensor:
    """Returns the orientation, from 1 to 8, that stands in the EXIF data at a place, 0 for none."""
    little = _number(data, exif, 2) == 0x4949  # "II", else "MM"
    entries = exif + _number(data, exif + 4, 4, little)
    count = _number(data, entries, 2, little)

    def step(on, place, value):
        here = _number(data, place, 2, little) == ORIENTATION
        # A short number stands at the beginning of its four bytes, a long one fills them.
        long = _number(data, place + 2, 2, little) == 4
        found = _if(long, _number(data, place + 8, 4, little), _number(data, place + 8, 2, little))
        return _if(here, tf.zeros_like(on), on - 1), place + 12, _if(here, found, value)

    _, _, value = _walk(step, _if(exif > 0, count, 0), entries + 2, 1)
    return _if((value >= 1) & (value <= 8), value, 1)


def _turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turns a square as its orientation says: transposed, then mirrored along either side.

    Squeezed first and turned afterwards, only the small square is moved about.
    """

    def among(*values: int) -> tf.Tensor:
        return tf.reduce_any(orientation == tf.constant(values, tf.int64))

    image = tf.where(orientation >= 5, tf.transpose(image, (1, 0, 2)), image)
    image = tf.where(among(2, 3, 6, 7), image[:, ::-1], image)
    return tf.where(among(3, 4, 7, 8), image[::-1], image)


def _png(content: tf.Tensor, size: int) -> tf.Tensor:
    data = tf.io.decode_raw(content, tf.uint8)
    width, height = _number(data, 16, 4), _number(data, 20, 4)
    content = _measured(content, width, height, PNG)

    def step(on, place, clear):
        del on
        name = _number(data, place + 4, 4)
        following = place + 12 + _number(data, place, 4)
        on = (name != IDAT) & (following < tf.size(data, tf.int64))
        return _one(on), following, tf.maximum(clear, _one(name == TRNS))

    # Bit 2 of the colour type stands for an alpha channel. The decoder's own fourth channel is
    # not to be asked: it is wrong for opaque images of fewer than 8 bits.
    _, _, clear = _walk(step, 1, 8, _number(data, 25, 1) // 4 % 2)
    return tf.cond(
        clear > 0,
        lambda: _over_white(tf.io.decode_png(content, channels=4), size),
        lambda: _fitted(tf.io.decode_png(content, channels=3), size) / 255.0,
    )


def _over_white(image: tf.Tensor, size: int) -> tf.Tensor:
    """Lays `(height, width, 4)` in uint8 over white and squeezes it to a square from 0 to 1.

    Both are linear: with the product of colour and alpha squeezed, which 16 bits hold, no image of
    the full size is needed in float32.
    """
    alpha = image[..., 3:]
    colour = tf.cast(image[..., :3], tf.uint16) * tf.cast(alpha, tf.uint16)
    return _fitted(colour, size) / 255.0**2 + 1.0 - _fitted(alpha, size) / 255.0


def _bmp(content: tf.Tensor, size: int) -> tf.Tensor:
    data = tf.io.decode_raw(content, tf.uint8)

    def number(place: int, count: int) -> tf.Tensor:
        return _number(data, place, count, little=True)

    header, width, height, bits, packed = (
        number(*place) for place in ((14, 4), (18, 4), (22, 4), (28, 2), (30, 4))
    )
    height = _if(height >= 2**31, 2**32 - height, height)  # below 0: the first row on top
    plain = (packed == 0) & ((bits == 8) | (bits == 24) | (bits == 32))
    # With masks of its own: only those that are the usual order.
    usual = (number(54, 4) == 0xFF0000) & (number(58, 4) == 0xFF00) & (number(62, 4) == 0xFF)
    plain |= (packed == 3) & (bits == 32) & usual
    content = _required(
        (header >= 40) & plain,
        "the BMP is damaged, or packed, or of an old kind: expected 8, 24 or 32 bits a pixel "
        "without compression",
        content,
    )
    content = _measured(content, width, height, BMP)
    # The decoder takes the numbers of palette entries for shades of grey.
    places = 14 + header + tf.reshape(4 * tf.range(256, dtype=tf.int64), (-1, 1)) + [2, 1, 0]
    palette = tf.gather(data, tf.minimum(places, tf.size(data, tf.int64) - 1))
    image = tf.cond(
        bits == 8,
        lambda: tf.gather(palette, tf.cast(tf.io.decode_bmp(content)[..., 0], tf.int32)),
        lambda: tf.io.decode_bmp(content)[..., :3],  # a fourth byte is filling, and often 0
    )
    return _fitted(image, size) / 255.0


def _gif(content: tf.Tensor, size: int) -> tf.Tensor:
    """Decodes the first frame on its canvas, white where there is none or where it is clear.

    The decoder unpacks all frames, goes by the size of the largest and shows what is clear in
    black. So the file is cut behind its first frame, and what is clear made white in its palette.
    """
    data = tf.io.decode_raw(content, tf.uint8)

    def number(place: tf.Tensor | int, count: int) -> tf.Tensor:
        return _number(data, place, count, little=True)

    def colours(flags: tf.Tensor) -> tf.Tensor:
        return _if(flags >= 0x80, 2 ** (flags % 8 + 1), 0)

    def blocks(place: tf.Tensor) -> tf.Tensor:
        """Returns the place behind blocks of data, or 0 where they do not end."""

        def step(on, place):
            del on
            count = number(place, 1)
            return count, place + 1 + count

        on, place = _walk(step, 1, place)
        return _if((on == 0) & (place <= tf.size(data, tf.int64)), place, 0)

    def step(on, place, control):
        del on
        control = _if(number(place + 1, 1) == 0xF9, place, control)
        following = blocks(place + 2)
        return _one(number(following, 1) == 0x21), following, control

    table = colours(number(10, 1))
    first = 13 + 3 * table
    _, frame, control = _walk(step, _one(number(first, 1) == 0x21), first, 0)
    left, top, width, height = (number(frame + place, 2) for place in (1, 3, 5, 7))
    own = colours(number(frame + 9, 1))
    end = blocks(frame + 11 + 3 * own)
    content = _required(
        (number(frame, 1) == 0x2C) & (width > 0) & (height > 0) & (end > 0),
        "the GIF is damaged or cut off: its first frame is not whole",
        content,
    )
    wide = tf.maximum(number(6, 2), left + width)
    high = tf.maximum(number(8, 2), top + height)
    content = _measured(content, wide, high, GIF)

    def put(content: tf.Tensor, place: tf.Tensor, piece: bytes) -> tf.Tensor:
        place = tf.cast(place, tf.int32)
        rest = tf.strings.substr(content, place + len(piece), tf.strings.length(content))
        return tf.strings.join([tf.strings.substr(content, 0, place), piece, rest])

    palette = _if(own > 0, frame + 10, 13)
    clear, flags = number(control + 6, 1), number(control + 3, 1)
    content = tf.cond(
        (control > 0) & (flags % 2 == 1) & (clear < _if(own > 0, own, table)),
        lambda: put(put(content, palette + 3 * clear, b"\xff" * 3), control + 3, b"\x00"),
        lambda: content,
    )
    content = put(content, frame + 1, bytes(4))  # its place on the canvas
    content = tf.strings.substr(content, 0, tf.cast(end, tf.int32)) + b";"
    image = tf.io.decode_image(content, channels=3, expand_animations=False)
    image = tf.ensure_shape(image, (None, None, 3))
    margins = [[top, high - top - height], [left, wide - left - width], [0, 0]]
    image = tf.pad(image, margins, constant_values=255)
    return _fitted(image, size) / 255.0
