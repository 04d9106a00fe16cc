"""Decoding of image files in the graph: JPEG, PNG and GIF.

All of it is TensorFlow operations, so that an exported model takes the bytes of a file and needs no
other program. The size of an image is read from its header before anything is decoded, because a
file of a few kilobytes can hold more pixels than fit into memory.
"""

import re
from collections.abc import Callable, Sequence

import tensorflow as tf

MOST_PIXELS = 50_000_000
MOST_PIXELS_A_SIDE = 1_000_000  # the limit of the PNG decoder
KINDS = ("JPEG", "PNG", "GIF")
STARTS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8")
MOST_STEPS = 300_000  # through the parts of a file; more would be an attack
ORIENTATION = 0x0112  # the tag of EXIF
EXIF, EXIF_CHUNK, TRNS = (int.from_bytes(name) for name in (b"Exif\0\0", b"eXIf", b"tRNS"))
WHITE = b"\xff\xff\xff"


def decode(content: bytes | tf.Tensor, size: int) -> tf.Tensor:
    """Decode one image and resize it to a square.

    It takes JPEG, PNG and the first frame of a GIF; in colour or grey, with a palette, with any
    number of bits. JPEG and PNG are turned by their EXIF orientation. Transparent parts are laid
    over white.

    The whole image is kept and stretched to a square. Cropping would lose what is at an edge, and
    padding would waste pixels of a small square on bars. A photograph of 4:3 is distorted by a
    third, which a model learns to read.

    Args:
        content: A string scalar, the bytes of the file.
        size: The side of the square, in pixels.

    Returns:
        The pixels `(size, size, 3)` in uint8, red, green and blue from 0 to 255. They are whole
        numbers, so that training and a served model see exactly the same.

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if the content is empty, damaged, of another
            format, or has more than `MOST_PIXELS`.
    """
    # As a tensor: any other value would be traced again.
    return _decode(tf.convert_to_tensor(content, tf.string), size)


def decode_batch(contents: Sequence[bytes] | tf.Tensor, size: int) -> tf.Tensor:
    """Decode images of any formats and sizes, as `decode` does.

    Args:
        contents: Strings of shape `(batch,)`.
        size: The side of the squares, in pixels.

    Returns:
        The pixels `(batch, size, size, 3)` in uint8.

    Raises:
        tf.errors.InvalidArgumentError: When it runs, if `decode` raises it for one of them.
    """
    return tf.map_fn(
        lambda content: decode(content, size),
        tf.convert_to_tensor(contents, tf.string),
        fn_output_signature=tf.TensorSpec((size, size, 3), tf.uint8),
        # More would hold more large images in memory.
        parallel_iterations=None if tf.executing_eagerly() else 2,
    )


def count_pixels(contents: tf.Tensor) -> tf.Tensor:
    """Return how many pixels images `(batch,)` have together, as their headers say, int64.

    What is no image has none here; `decode` refuses it.
    """

    def jpeg(content):
        return tf.reduce_prod(tf.io.extract_jpeg_shape(content, tf.int64)[:2])

    def png(content):
        number = _reader(content)
        return number(16, 4) * number(20, 4)

    def gif(content):
        number = _reader(content, little=True)
        return tf.reduce_prod(_gif_canvas(number, _gif_frame(number)[1]))

    def count(content):
        readers = [lambda read=read: read(content) for read in (jpeg, png, gif)]
        return tf.switch_case(_kind(content), readers, lambda: tf.constant(0, tf.int64))

    with tf.device("CPU:0"):
        return tf.reduce_sum(tf.map_fn(count, contents, tf.TensorSpec([], tf.int64)))


def check(content: bytes) -> str | None:
    """Return why `decode` refuses an image, or None if it takes it."""
    try:
        decode(content, 1)
    except tf.errors.InvalidArgumentError as error:
        if reason := re.search(r"assertion failed: \[(.*?)\]", error.message):
            return reason[1]
        return f"the {KINDS[int(_kind(content))]} is damaged or cut off"
    return None


@tf.function(autograph=False)
def _decode(content: tf.Tensor, size: int) -> tf.Tensor:
    with tf.device("CPU:0"):  # the decoders have no GPU kernels, and a header is many small steps
        content = tf.ensure_shape(content, ())
        not_empty = tf.strings.length(content) > 0
        content = _required(not_empty, "the image is empty: it has no bytes", content)
        kind = _kind(content)
        kind = _required(kind >= 0, "the content is no image: expected JPEG, PNG or GIF", kind)
        readers = (_jpeg, _png, _gif)
        image = tf.switch_case(kind, [lambda read=read: read(content, size) for read in readers])
        return tf.ensure_shape(tf.saturate_cast(tf.round(image), tf.uint8), (size, size, 3))


def _required(condition: tf.Tensor, message: str | tf.Tensor, value: tf.Tensor) -> tf.Tensor:
    """Return a value whose use fails unless a condition holds."""
    # The raw operation: tf.debugging.Assert words its errors differently when it runs eagerly.
    with tf.control_dependencies([tf.raw_ops.Assert(condition=condition, data=[message])]):
        return tf.identity(value)


def _kind(content: tf.Tensor) -> tf.Tensor:
    """Return the place of the format in `KINDS`, or -1."""
    same = [tf.strings.substr(content, 0, len(start)) == start for start in STARTS]
    return tf.reduce_max(tf.where(same, tf.range(len(STARTS)), -1))


def _measured(content: tf.Tensor, width: tf.Tensor, height: tf.Tensor) -> tf.Tensor:
    """Return the content, and fail if the image is too large."""
    message = tf.strings.format(
        f"the image is too large: {{}} x {{}} pixels, and at most {MOST_PIXELS:,} in all and "
        f"{MOST_PIXELS_A_SIDE:,} a side are decoded; make it smaller",
        (width, height),
    )
    small = tf.maximum(width, height) <= MOST_PIXELS_A_SIDE
    return _required(small & (width * height <= MOST_PIXELS), message, content)


def _fitted(image: tf.Tensor, size: int) -> tf.Tensor:
    """Resize `(height, width, channels)` to a square in float32, on the same scale.

    TensorFlow resizes the height first, at the full width. For a line of a million pixels this
    would take gigabytes, so the height grows only after the width has been reduced.
    """
    height = tf.minimum(tf.shape(image)[0], size)
    for sides in ((height, size), (size, size)):
        image = tf.image.resize(image, sides, method="bilinear", antialias=True)
    return image


# Numbers in the bytes


def _reader(content: tf.Tensor, little: tf.Tensor | bool = False) -> Callable[..., tf.Tensor]:
    """Return a function that reads unsigned numbers from bytes.

    It takes the place where a number begins, or an int64 tensor of places, and the number of bytes.
    Bytes beyond the end are zeros.

    Args:
        content: A string scalar, not empty.
        little: Whether numbers are little-endian.
    """
    data = tf.io.decode_raw(content, tf.uint8)
    end = tf.size(data, tf.int64)

    def number(place: tf.Tensor | int, size: int) -> tf.Tensor:
        places = tf.expand_dims(tf.cast(place, tf.int64), -1) + tf.range(size, dtype=tf.int64)
        values = tf.cast(tf.gather(data, tf.clip_by_value(places, 0, end - 1)), tf.int64)
        powers = tf.constant([256**power for power in range(size)], tf.int64)
        powers = tf.where(little, powers, tf.reverse(powers, [0]))
        return tf.reduce_sum(tf.where(places < end, values, 0) * powers, -1)

    return number


def _walk(step: Callable, on: tf.Tensor | bool, *state: tf.Tensor | int) -> tuple[tf.Tensor, ...]:
    """Repeat a step over integers while its first result is true."""
    start = (tf.convert_to_tensor(on), *(tf.cast(value, tf.int64) for value in state))
    return tf.while_loop(lambda on, *_: on, step, start, maximum_iterations=MOST_STEPS)


# The formats


def _jpeg(content: tf.Tensor, size: int) -> tf.Tensor:
    height, width, _ = tf.unstack(tf.io.extract_jpeg_shape(content, tf.int64), 3)
    content = _measured(content, width, height)
    number = _reader(content)

    def step(_, place, exif):
        marker = number(place + 1, 1)
        here = (marker == 0xE1) & (number(place + 4, 6) == EXIF)
        # Any number of fill bytes, 0xFF, may precede a marker.
        following = place + tf.where(marker != 0xFF, 2 + number(place + 2, 2), 1)
        # The data of the scan, after the header, begin without a marker.
        on = ~here & (number(following, 1) == 0xFF)
        return on, following, tf.where(here, place + 10, exif)

    _, _, exif = _walk(step, True, 2, 0)
    image = tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE")
    return _turned(_fitted(image, size), _orientation(content, exif))


def _orientation(content: tf.Tensor, exif: tf.Tensor) -> tf.Tensor:
    """Return the orientation, 1 to 8, in the EXIF data at a place; place 0 stands for none."""
    little = _reader(content)(exif, 2) == 0x4949  # "II", else "MM"
    number = _reader(content, little)
    table = exif + number(exif + 4, 4)
    entries = table + 2 + 12 * tf.range(tf.where(exif > 0, number(table, 2), 0))
    # A short number is at the beginning of its four bytes, and a long number fills them.
    long = number(entries + 2, 2) == 4
    values = tf.where(long, number(entries + 8, 4), number(entries + 8, 2))
    value = tf.reduce_max(tf.where(number(entries, 2) == ORIENTATION, values, 1))
    return tf.where((value >= 1) & (value <= 8), value, 1)


def _turned(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn a square by its orientation: transpose it, then mirror it along either side.

    This is done after resizing, when the square is small.
    """

    def among(*values: int) -> tf.Tensor:
        return tf.reduce_any(orientation == tf.constant(values, tf.int64))

    image = tf.where(orientation >= 5, tf.transpose(image, (1, 0, 2)), image)
    image = tf.where(among(2, 3, 6, 7), tf.reverse(image, [1]), image)
    return tf.where(among(3, 4, 7, 8), tf.reverse(image, [0]), image)


def _png(content: tf.Tensor, size: int) -> tf.Tensor:
    number = _reader(content)
    content = _measured(content, number(16, 4), number(20, 4))

    def step(_, place, clear, exif):
        name = number(place + 4, 4)
        following = place + 12 + number(place, 4)
        exif = tf.where((name == EXIF_CHUNK) & (exif == 0), place + 8, exif)
        # Beyond the end the name is 0. EXIF data may come after the pixels.
        return name > 0, following, tf.where(name != TRNS, clear, 1), exif

    # Bit 2 of the colour type stands for an alpha channel. The decoder's own alpha channel cannot
    # tell: it is wrong for opaque images of fewer than 8 bits.
    _, _, clear, exif = _walk(step, True, 8, number(25, 1) // 4 % 2, 0)
    image = tf.cond(
        clear > 0,
        lambda: _over_white(tf.io.decode_png(content, channels=4), size),
        lambda: _fitted(tf.io.decode_png(content, channels=3), size),
    )
    return _turned(image, _orientation(content, exif))


def _over_white(image: tf.Tensor, size: int) -> tf.Tensor:
    """Lay `(height, width, 4)` in uint8 over white and resize it to a square.

    Both are linear. The product of colour and alpha, which fits into 16 bits, is resized, so that
    no image of the full size is needed in float32.
    """
    alpha = image[..., 3:]
    colour = tf.cast(image[..., :3], tf.uint16) * tf.cast(alpha, tf.uint16)
    return _fitted(colour, size) / 255.0 + 255.0 - _fitted(alpha, size)


def _gif(content: tf.Tensor, size: int) -> tf.Tensor:
    """Decode the first frame on its canvas, white outside the frame and where it is transparent.

    The decoder would unpack all frames, to the size of the largest, with transparent parts black.
    So it is given a new file that holds only the first frame and one palette, in which the
    transparent colour is white.
    """
    number = _reader(content, little=True)
    common, frame, control = _gif_frame(number)
    left, top, width, height = (number(frame + place, 2) for place in (1, 3, 5, 7))
    flags = number(frame + 9, 1)
    own = _gif_colours(flags)
    start = frame + 10 + own
    endless, end = _gif_blocks(number, start + 1)  # after the number of bits
    whole = ~endless & (end <= tf.cast(tf.strings.length(content), tf.int64))
    whole &= (number(frame, 1) == 0x2C) & (width > 0) & (height > 0) & (common + own > 0)
    message = "the GIF is damaged or cut off: its first frame is not whole"
    content = _required(whole, message, content)
    wide, high = _gif_canvas(number, frame)
    content = _measured(content, wide, high)

    palette = tf.where(own > 0, _part(content, frame + 10, own), _part(content, 13, common))
    palette += WHITE * 257  # for numbers without a colour, and for one that no pixel has
    clear = tf.where((control > 0) & (number(control + 3, 1) % 2 == 1), number(control + 6, 1), 256)
    palette = _part(palette, 0, 3 * clear) + WHITE + _part(palette, 3 * clear + 3, 768)
    sides = _part(content, frame + 5, 4)
    rows = tf.where(flags // 0x40 % 2 == 1, b"\x40", b"\x00")  # interlaced or one after the other
    head = b"GIF89a" + sides + b"\xf7\0\0" + _part(palette, 0, 768) + b",\0\0\0\0" + sides + rows
    image = tf.io.decode_gif(head + _part(content, start, end - start) + b";")[0]
    margins = [[top, high - top - height], [left, wide - left - width], [0, 0]]
    return _fitted(tf.pad(image, margins, constant_values=255), size)


def _gif_colours(flags: tf.Tensor) -> tf.Tensor:
    """Return the number of bytes in a palette."""
    return tf.where(flags >= 0x80, 3 * 2 ** (flags % 8 + 1), 0)


def _gif_blocks(number: Callable, place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return whether blocks of data do not end, and the place after them."""
    return _walk(lambda _, at: (number(at, 1) > 0, at + 1 + number(at, 1)), True, place)


def _gif_frame(number: Callable) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the bytes of the common palette, and the places of the first frame and its control."""

    def extension(_, place, control):
        _, following = _gif_blocks(number, place + 2)
        control = tf.where(number(place + 1, 1) == 0xF9, place, control)
        return number(following, 1) == 0x21, following, control

    common = _gif_colours(number(10, 1))
    first = 13 + common
    _, frame, control = _walk(extension, number(first, 1) == 0x21, first, 0)
    return common, frame, control


def _gif_canvas(number: Callable, frame: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the width and height of the canvas, which holds the first frame."""
    left, top, width, height = (number(frame + place, 2) for place in (1, 3, 5, 7))
    return tf.maximum(number(6, 2), left + width), tf.maximum(number(8, 2), top + height)


def _part(content: tf.Tensor, place: tf.Tensor | int, length: tf.Tensor | int) -> tf.Tensor:
    """Return bytes from a place on, at most as many as there are."""
    return tf.strings.substr(content, tf.cast(place, tf.int64), tf.cast(length, tf.int64))
