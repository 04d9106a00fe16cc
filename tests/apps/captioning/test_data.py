import csv
import gzip
import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from apps.captioning import data as captions
from apps.captioning import sample as scene_sample
from apps.captioning.data import load
from apps.captioning.settings import Settings
from apps.common.data import files
from apps.common.refusal import Refusal

NAMES = {"train": 6, "dev": 2, "test": 3}
EACH = 2


def png(number):
    file = io.BytesIO()
    Image.new("RGB", (4, 3), (number, 0, 0)).save(file, "PNG")
    return file.getvalue()


def names(part):
    return [f"{part} {number}.png" for number in range(NAMES[part])]


def said(name):
    return tuple(f"{name} number {number}\u2028 with a break\u0085." for number in range(EACH))


def expected(part):
    return [(name, png(place), said(name)) for place, name in enumerate(names(part))]


def write(path, lines):
    content = "".join(f"{line}\n" for line in lines).encode("utf-8")
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_images(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for part in NAMES:
        for place, name in enumerate(names(part)):
            (folder / name).write_bytes(png(place))


def write_tar(path):
    with tarfile.open(path, "w") as archive:
        for part in NAMES:
            for place, name in enumerate(names(part)):
                entry = tarfile.TarInfo(f"images/{name}")
                entry.size = len(png(place))
                archive.addfile(entry, io.BytesIO(png(place)))


def write_texts(folder, ending=""):
    folder.mkdir(parents=True, exist_ok=True)
    everything = [name for part in NAMES for name in names(part)]
    tokens = [f"{name}#{i}\t{said(name)[i]}" for i in range(EACH) for name in everything]
    write(folder / f"Flickr8k.token.txt{ending}", tokens)
    for part in NAMES:
        write(folder / f"Flickr_8k.{part}Images.txt{ending}", names(part))


@pytest.fixture
def flickr(tmp_path):
    write_texts(tmp_path)
    write_images(tmp_path / "images")
    return tmp_path


def read(path, **options):
    return load(str(path), **options)


def opened(examples):
    return [(picture.name, picture.read(), said) for picture, said in examples]


def everything(splits):
    return [*splits.train, *splits.validation, *splits.test]


# Folders in the layout of Flickr8k


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("place", ["", "Flicker8k_Dataset", "two/folders", "images.tar"])
def test_a_folder_in_the_layout_of_flickr8k(tmp_path, place, ending):
    write_texts(tmp_path, ending)
    (write_tar if place.endswith(".tar") else write_images)(tmp_path / place)
    splits = read(tmp_path)
    assert opened(splits.train) == expected("train")
    assert opened(splits.validation) == expected("dev")
    assert opened(splits.test) == expected("test")
    assert splits.with_validation(1) is splits


def test_it_says_how_many_images_there_are(flickr, capsys):
    read(flickr)
    out = capsys.readouterr().out
    assert out == f"Data: {flickr}: 6 training and 3 test images\n"


def test_an_image_is_known_by_the_end_of_its_name(flickr):
    more = ["a.JPG", "b.jpeg", "c.Gif", "d.bmp", "e.txt"]
    for name in more:
        (flickr / "images" / name).write_bytes(name.encode())
    write(flickr / "Flickr_8k.devImages.txt", more)
    tokens = flickr / "Flickr8k.token.txt"
    with tokens.open("a") as file:
        file.writelines(f"{name}#0\tsaid\n" for name in more)
    found = opened(read(flickr).validation)
    assert found == [(name, name.encode(), ("said",)) for name in more[:3]]


def test_images_may_be_in_folders_and_in_tar_files_at_once(flickr):
    write_tar(flickr / "images.tar")
    for name in names("train"):
        (flickr / "images" / name).unlink()
    (flickr / "images" / "test 0.png").write_bytes(b"of the folder")
    splits = read(flickr)
    assert opened(splits.train) == expected("train")
    assert splits.test[0][0].read() == b"of the folder"


def test_only_the_first_tab_ends_a_name_and_only_the_last_sign_begins_a_number(flickr):
    (flickr / "images" / "a#1.png").write_bytes(png(9))
    write(flickr / "Flickr_8k.trainImages.txt", ["", "  a#1.png ", " \t", ""])
    tokens = flickr / "Flickr8k.token.txt"
    tokens.write_bytes(tokens.read_bytes() + b"\n \t \na#1.png#0\t one\ttwo\t\r\n\n")
    assert opened(read(flickr).train) == [("a#1.png", png(9), ("one\ttwo",))]


def test_bytes_in_a_caption_that_are_no_utf8(flickr):
    with (flickr / "Flickr8k.token.txt").open("ab") as file:
        file.write(b"test 0.png#2\tcaf\xe9\n")
    with pytest.raises(Refusal, match=r"token.txt, line 23, character 17: the byte 0xe9"):
        read(flickr)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marks_of_an_encoding_lose_no_image(flickr, encoding):
    for path in flickr.glob("*.txt"):
        path.write_bytes(path.read_text("utf-8").replace("\n", "\r\n").encode(encoding))
    splits = read(flickr)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [6, 2, 3]
    assert all(len(texts) == EACH for _, texts in everything(splits))


def test_a_name_in_other_capitals_is_the_same_image(flickr):
    write(flickr / "Flickr_8k.devImages.txt", ["dev 0.PNG", "Dev 1.png"])
    tokens = flickr / "Flickr8k.token.txt"
    tokens.write_text(tokens.read_text("utf-8").replace("dev 0.png", "dev 0.PNG"), "utf-8")
    (flickr / "images" / "DEV 1.png").write_bytes(png(9))
    tokens.write_text(tokens.read_text("utf-8").replace("dev 1.png", "DEV 1.png"), "utf-8")
    write(flickr / "Flickr_8k.devImages.txt", ["dev 0.PNG", "DEV 1.png"])
    assert [picture.read() for picture, _ in read(flickr).validation] == [png(0), png(9)]


def test_of_two_images_of_one_name_none_is_taken_silently(flickr):
    (flickr / "more").mkdir()
    (flickr / "more" / "train 1.png").write_bytes(png(1))
    (flickr / "images" / "._train 1.png").write_bytes(b"notes of macOS")
    assert opened(read(flickr).train) == expected("train")
    (flickr / "more" / "train 1.png").write_bytes(png(5))
    with pytest.raises(Refusal, match=r"two images called train 1.png, images.* and more"):
        read(flickr)


# Folders in the layout of Kaggle


def write_kaggle(folder, name="captions.txt", images="Images", count=30):
    write_table(folder / "mine.csv", rows())
    (folder / "im").rename(folder / images)
    (folder / "mine.csv").unlink()
    lines = [f"{Path(image).name},{text}" for image, text in rows(count)]
    (folder / name).write_bytes("\r\n".join(["image,caption", *lines]).encode())


@pytest.mark.parametrize("name", ["captions.txt", "captions.csv", "Captions.TXT"])
@pytest.mark.parametrize("images", ["Images", "flickr8k_images"])
def test_a_folder_in_the_layout_of_kaggle(tmp_path, name, images, capsys):
    write_kaggle(tmp_path, name, images)
    splits = read(tmp_path)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [24, 3, 3]
    assert "near it" not in capsys.readouterr().out
    for picture, texts in everything(splits):
        number = int(Path(picture.name).stem)
        assert picture.read() == png(number)
        assert texts == (f"{number}: a", f"{number}: b", f"{number}: c")
    again = read(tmp_path / name)
    assert named(again.test) == named(splits.test)
    place = Path(images) / "0.png"
    assert (
        f"30 images are not where the table says and are taken from near it, such as {place}"
        in (capsys.readouterr().out)
    )


def test_the_layout_of_flickr30k(tmp_path):
    write_kaggle(tmp_path, images="flickr30k_images")
    (tmp_path / "captions.txt").unlink()
    lines = [
        f"{Path(image).name}| {n % 5}| {text} , so ." for n, (image, text) in enumerate(rows())
    ]
    write(tmp_path / "results.csv", ["image_name| comment_number| comment", *lines])
    splits = read(tmp_path)
    assert len(everything(splits)) == 30
    assert splits.train[0][1][0].endswith(": a , so .")


def test_tables_of_a_folder_that_differ(tmp_path):
    write_kaggle(tmp_path)
    (tmp_path / "captions.csv").write_bytes((tmp_path / "captions.txt").read_bytes())
    assert len(everything(read(tmp_path))) == 30
    (tmp_path / "captions.csv").write_bytes(b"image,caption\n0.png,x\n")
    with pytest.raises(Refusal, match=r"several tables of captions, captions.csv, captions.txt"):
        read(tmp_path)


def test_images_of_a_kaggle_folder_may_be_packed(tmp_path):
    write_kaggle(tmp_path)
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        archive.add(tmp_path / "Images", "Images")
    shutil.rmtree(tmp_path / "Images")
    for picture, _ in everything(read(tmp_path)):
        assert picture.read() == png(int(Path(picture.name).stem))


def test_captions_of_images_that_no_list_names_do_no_harm(flickr, capsys):
    with (flickr / "Flickr8k.token.txt").open("a") as file:
        file.write("other.jpg.1#0\tin no list\n")
    assert len(everything(read(flickr))) == 11
    assert "other" not in capsys.readouterr().out


def test_captions_as_lemmas_are_not_read(flickr):
    write(flickr / "Flickr8k.lemma.token.txt", ["test 0.png#0\tlemma"])
    assert read(flickr).test[0][1] == said("test 0.png")


def test_what_lacks_image_or_caption_is_reported_and_left_out(flickr, capsys):
    (flickr / "images" / "train 0.png").unlink()
    (flickr / "images" / "train 3.png").unlink()
    with (flickr / "Flickr_8k.devImages.txt").open("a") as file:
        file.write("unsaid.png\n")
    (flickr / "images" / "unsaid.png").write_bytes(png(0))
    tokens = flickr / "Flickr8k.token.txt"
    lines = tokens.read_text("utf-8").split("\n")
    for place, line in enumerate(lines):
        if line.startswith(("test 1.png#", "test 2.png#0")):
            lines[place] = line.partition("\t")[0] + "\t  "
    tokens.write_text("\n".join(lines), "utf-8")
    splits = read(flickr)
    out = capsys.readouterr().out
    assert opened(splits.train) == [expected("train")[place] for place in (1, 2, 4, 5)]
    assert "trainImages.txt: 2 names without an image are left out, such as train 0.png" in out
    assert opened(splits.validation) == expected("dev")
    assert "devImages.txt: 1 images without a caption are left out, such as unsaid.png" in out
    name, content, both = expected("test")[2]
    assert opened(splits.test) == [expected("test")[0], (name, content, both[1:])]
    first = 1 + next(place for place, line in enumerate(lines) if line.endswith("\t  "))
    line = f"3 empty captions are left out, the first is Flickr8k.token.txt, line {first}\n"
    assert f"testImages.txt: {line}" in out
    assert "testImages.txt: 1 images without a caption are left out, such as test 1.png" in out


def test_a_line_without_a_tab_or_a_number_is_named(flickr):
    tokens = flickr / "Flickr8k.token.txt"
    content = tokens.read_bytes()
    for wrong in (b"test 0.png#0 no tab", b"test 0.png\tno number " + b"x" * 500):
        tokens.write_bytes(b"\n\n" + wrong + b"\n" + content)
        with pytest.raises(ValueError, match=r"token\.txt, line 3 must be .*a tab.*no ") as caught:
            read(flickr)
        assert len(str(caught.value)) < len(str(flickr)) + 200


@pytest.mark.parametrize("parts", [("train", "test"), ("train", "dev"), ("dev", "test")])
def test_no_image_may_be_in_two_parts(flickr, parts):
    one, other = parts
    with (flickr / f"Flickr_8k.{one}Images.txt").open("a") as file:
        file.write(f"{other} 1.png\n")
    with pytest.raises(ValueError, match=rf"{other} 1\.png stands in two of the lists"):
        read(flickr)


def test_a_name_may_stand_in_one_list_twice(flickr):
    with (flickr / "Flickr_8k.trainImages.txt").open("a") as file:
        file.write("train 1.png\n")
    assert opened(read(flickr).train) == expected("train")


@pytest.mark.parametrize(
    "name", ["Flickr8k.token.txt", *(f"Flickr_8k.{part}Images.txt" for part in NAMES)]
)
def test_each_text_must_be_there_once(flickr, name):
    pattern = name.partition(".")[2]
    (flickr / f"more.{pattern}.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(ValueError, match=rf"one file \*\w*{pattern[-10:]}.* it has 2: .*more"):
        read(flickr)
    (flickr / f"more.{pattern}.gz").unlink()
    (flickr / name).unlink()
    with pytest.raises(ValueError, match=rf"one file \*\w*{pattern[-10:]}.* it has none"):
        read(flickr)


def test_a_damaged_text_is_named(flickr):
    (flickr / "Flickr8k.token.txt").unlink()
    path = flickr / "Flickr8k.token.txt.gz"
    write(path, ["train 0.png#0\tcut off"])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"token\.txt\.gz.* not a sound gzip"):
        read(flickr)


def test_a_folder_without_an_image(tmp_path):
    write_texts(tmp_path)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ValueError, match=r"must hold images that end in \.jpg, .*; it holds none"):
        read(tmp_path)


def test_a_part_without_an_image(flickr):
    for name in names("dev"):
        (flickr / "images" / name).unlink()
    with pytest.raises(ValueError, match=r"devImages\.txt must have at least one image"):
        read(flickr)


# Within the first header, the first image, the padding behind it, and the second header.
@pytest.mark.parametrize("length", [0, 100, 550, 1000, 1200, None])
def test_a_damaged_tar_is_named(tmp_path, length):
    write_texts(tmp_path)
    path = tmp_path / "images.tar"
    write_tar(path)
    path.write_bytes(b"plain" * 1000 if length is None else path.read_bytes()[:length])
    with pytest.raises(ValueError, match=r"images\.tar is not a sound tar file"):
        read(tmp_path)


def test_a_tar_that_is_damaged_in_the_middle_is_named(tmp_path):
    write_texts(tmp_path)
    path = tmp_path / "images.tar"
    write_tar(path)
    content = bytearray(path.read_bytes())
    content[3 * 1024 : 3 * 1024 + 512] = b"x" * 512  # the fourth header
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"images\.tar is not a sound tar file"):
        read(tmp_path)


def test_a_tar_may_lack_the_empty_blocks_at_its_end(tmp_path):
    write_texts(tmp_path)
    path = tmp_path / "images.tar"
    write_tar(path)
    path.write_bytes(path.read_bytes()[: 1024 * sum(NAMES.values())])
    assert opened(read(tmp_path).test) == expected("test")


@pytest.mark.data
def test_the_real_flickr8k():
    splits = read(Path(os.environ["RNNLAYERS_DATA"]) / "flickr8k")
    parts = (splits.train, splits.validation, splits.test)
    assert [len(part) for part in parts] == [6000, 1000, 1000]
    assert all(len(said) == 5 for part in parts for _, said in part)
    assert all(picture.read().startswith(b"\xff\xd8") for picture, _ in splits.test)


# Tables


def rows(count=30):
    """Captions of images, those of one image not beside one another."""
    return [(f"im/{number}.png", f"{number}: {turn}") for turn in "abc" for number in range(count)]


def write_table(path, lines, columns=("image", "caption")):
    (path.parent / "im").mkdir(exist_ok=True)
    for number in range(30):
        (path.parent / "im" / f"{number}.png").write_bytes(png(number))
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", encoding="utf-8", newline="") as file:
        if ".jsonl" in path.name:
            for line in lines:
                file.write(json.dumps(dict(zip(columns, line, strict=True))) + "\n")
        else:
            separator = "," if ".csv" in path.name else "\t"
            csv.writer(file, delimiter=separator).writerows([columns, *lines])


def named(examples):
    return {picture.name: said for picture, said in examples}


@pytest.mark.parametrize("name", ["mine.csv", "mine.tsv", "mine.jsonl", "mine.csv.gz"])
def test_a_table_is_cut_by_its_images(tmp_path, name):
    write_table(tmp_path / name, rows())
    splits = read(tmp_path / name)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [24, 3, 3]
    assert splits.with_validation(5) is splits
    found = everything(splits)
    assert len({picture.name for picture, _ in found}) == 30
    for picture, said in found:
        number = int(Path(picture.name).stem)
        assert said == (f"{number}: a", f"{number}: b", f"{number}: c")
        assert picture.read() == png(number)
    again = read(tmp_path / name)
    assert [named(part) for part in (again.train, again.test)] == [
        named(part) for part in (splits.train, splits.test)
    ]


def test_the_cut_does_not_depend_on_the_order_of_the_lines(tmp_path):
    write_table(tmp_path / "mine.csv", rows())
    lines = rows()
    np.random.default_rng(0).shuffle(lines)
    write_table(tmp_path / "other.csv", lines)
    one, other = (read(tmp_path / name) for name in ("mine.csv", "other.csv"))
    for part in ("train", "validation", "test"):
        assert named(getattr(one, part)).keys() == named(getattr(other, part)).keys()


def test_columns_of_any_name_beside_others(tmp_path):
    lines = [(number, *line, "a note") for number, line in enumerate(rows())]
    write_table(tmp_path / "mine.csv", lines, ("id", "file", "words", "notes"))
    splits = read(tmp_path / "mine.csv", image_column="file", caption_column="words")
    assert len(everything(splits)) == 30
    with pytest.raises(Refusal, match=r"which of the columns .* is the caption: .*--caption-col"):
        read(tmp_path / "mine.csv")
    with pytest.raises(Refusal, match=r"no column 'said' for --caption-column among .*'file'"):
        read(tmp_path / "mine.csv", caption_column="said")


def test_captions_with_commas_without_quotes(tmp_path, capsys):
    write_table(tmp_path / "mine.csv", rows())
    lines = "".join(f"{name},{said}, on white, twice\n" for name, said in rows())
    (tmp_path / "mine.csv").write_text(f"image,caption\n{lines}")
    texts = {text for _, said in everything(read(tmp_path / "mine.csv")) for text in said}
    assert texts == {f"{said}, on white, twice" for _, said in rows()}
    assert "in 90 rows 'caption' holds a comma without quotes" in capsys.readouterr().out


@pytest.mark.parametrize("count", [1, 3])
def test_a_table_without_a_header(tmp_path, count):
    write_table(tmp_path / "mine.csv", rows())
    lines = rows()[: 30 * count]
    (tmp_path / "mine.csv").write_text("".join(f"{name},{said}\n" for name, said in lines))
    splits = read(tmp_path / "mine.csv")
    assert sorted(len(said) for _, said in everything(splits)) == [count] * 30
    options = {"no_header": True, "image_column": "1", "caption_column": "2"}
    assert named(read(tmp_path / "mine.csv", **options).test) == named(splits.test)


def test_parts_of_a_table(tmp_path):
    write_table(tmp_path / "mine.csv", rows())
    splits = read(tmp_path / "mine.csv", test_part=0.5, validation_part=0.2)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [9, 6, 15]
    with pytest.raises(Refusal, match="test_part and validation_part must be below 1 together"):
        read(tmp_path / "mine.csv", test_part=0.5, validation_part=0.5)


def test_a_path_that_is_written_in_two_ways_is_one_image(tmp_path):
    lines = rows() + [(f"./im/../im//{number}.png", "again") for number in range(30)]
    write_table(tmp_path / "mine.csv", lines)
    found = everything(read(tmp_path / "mine.csv"))
    assert len(found) == 30
    assert all(said[-1] == "again" and len(said) == 4 for _, said in found)


def test_paths_may_be_absolute(tmp_path):
    (tmp_path / "tables").mkdir()
    write_table(tmp_path / "mine.csv", rows())
    lines = [(str(tmp_path / name), caption) for name, caption in rows()]
    write_table(tmp_path / "tables" / "mine.csv", lines)
    assert len(everything(read(tmp_path / "tables" / "mine.csv"))) == 30


def test_what_a_table_lacks_is_reported_and_left_out(tmp_path, capsys):
    lines = [*rows(), ("im/absent.png", "?"), ("elsewhere/absent.png", "?"), ("im/1.png", " ")]
    write_table(tmp_path / "mine.tsv", [*lines, ("", "nothing"), ("im", "a folder")])
    splits = read(tmp_path / "mine.tsv")
    assert len(everything(splits)) == 30
    assert named(everything(splits))["im/1.png"] == ("1: a", "1: b", "1: c")
    out = capsys.readouterr().out
    assert "mine.tsv: 4 names without an image are left out, such as im/absent.png" in out
    row = len(rows()) + 3
    assert f"mine.tsv: 1 empty captions are left out, the first is row {row}\n" in out


@pytest.mark.parametrize("count", [1, 5])
def test_too_few_images_to_hold_some_out(tmp_path, count):
    write_table(tmp_path / "mine.csv", rows(count))
    with pytest.raises(ValueError, match=rf"mine\.csv must hold at least 10 .* holds {count}"):
        read(tmp_path / "mine.csv")


def test_ten_images_are_enough(tmp_path):
    write_table(tmp_path / "mine.csv", rows(10))
    splits = read(tmp_path / "mine.csv")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [8, 1, 1]


def test_of_many_images_no_more_than_enough_are_held_out(tmp_path, monkeypatch):
    monkeypatch.setattr(captions, "MOST_HELD_OUT", 2)
    write_table(tmp_path / "mine.csv", rows())
    splits = read(tmp_path / "mine.csv")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [26, 2, 2]
    assert len({picture.name for picture, _ in everything(splits)}) == 30


@pytest.mark.parametrize("wrong", [{"image": 1, "caption": "x"}, {"image": "x", "caption": ["x"]}])
def test_values_that_are_no_texts_are_named_by_their_line(tmp_path, wrong):
    write_table(tmp_path / "mine.jsonl", rows())
    with (tmp_path / "mine.jsonl").open("a") as file:
        file.write(json.dumps(wrong) + "\n")
    with pytest.raises(ValueError, match=r"mine\.jsonl, line 91 must hold a path and a caption"):
        read(tmp_path / "mine.jsonl")


def test_tables_that_cannot_be_used(tmp_path):
    for name, content, words in (
        ("empty.csv", b"", "no records"),
        ("head.csv", b"image,caption\n", "no records"),
        (
            "cut.jsonl",
            b'{"image": "x"}\n{"image": ',
            r"cut\.jsonl, line 2: the line is not a JSON object",
        ),
        ("other.docx", b"", r"ends in \.jsonl, \.csv"),
        ("gone.csv", b"image,caption\nx.png,y\n", "must have at least one image with a caption"),
        ("bad.csv.gz", b"plain", "not a sound gzip"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=words) as caught:
            read(tmp_path / name)
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "option",
    [{"image_column": "x"}, {"caption_column": "x"}, {"separator": ";"}, {"test_part": 0.2}],
)
def test_a_folder_without_a_table_has_no_columns_and_lists_for_its_parts(flickr, option):
    (name,) = option
    with pytest.raises(Refusal, match=f"^{name} has no effect with a folder without a table"):
        read(flickr, **option)


def test_columns_of_earlier_settings_are_found_by_their_names():
    settings = Settings(image_column="image", caption_column="text")
    assert (settings.image_column, settings.caption_column) == (None, "text")


# Lines of texts


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_line_ends_at_one_sign_alone(tmp_path, ending):
    content = "one\x85 two\u2028 three\r\n\nlast \t".encode()
    path = tmp_path / f"text{ending}"
    path.write_bytes(gzip.compress(content) if ending else content)
    assert files.lines(path) == ["one\x85 two\u2028 three", "", "last \t"]
    with files.opened(path) as file:
        assert file.read() == content
    with pytest.raises(OSError, match="absent"):
        files.lines(tmp_path / "absent")


# The embedded sample


def test_the_sample_is_that_of_its_scenes(monkeypatch, capsys):
    monkeypatch.setattr(captions, "SAMPLE_TRAIN", {48: 40, 64: 50})
    monkeypatch.setattr(captions, "SAMPLE_TEST", 8)
    # A run of before this option has scenes of 64 pixels.
    old = read("sample")
    assert [len(old.train), len(old.test)] == [50, 8]
    assert old.test[0][0].read() == scene_sample.generate(50, 8, 64)[1][0][0]
    capsys.readouterr()
    splits = read("sample", scene_size=48)
    assert "embedded sample (drawn shapes, no photographs): 40 training and 8 test images" in (
        capsys.readouterr().out
    )
    parts = (splits.train, splits.test, splits.further["combinations"])
    for part, scenes in zip(parts, scene_sample.generate(40, 8, 48), strict=True):
        assert [(picture.read(), list(said)) for picture, said in part] == scenes
    found = [picture.name for part in parts for picture, _ in part]
    assert len(set(found)) == len(found)
    validated = splits.with_validation(1)
    assert len(validated.validation) == 4
    names = [picture.name for picture, _ in (*validated.train, *validated.validation)]
    assert sorted(names) == sorted(picture.name for picture, _ in splits.train)
    assert validated.further == splits.further


# The catalogue


def catalogue_examples(split):
    return [(png(number), [f"{split} {number} é", "more"][: 1 + number % 2]) for number in range(5)]


@pytest.fixture
def catalogue():
    tfds = pytest.importorskip("tensorflow_datasets")

    def as_dataset(self, split, decoders, **_):
        # The real one would decode every image, and read what stands beside it.
        assert isinstance(decoders.decoders["image"], tfds.decode.SkipDecoding)
        assert set(decoders.extract_features(self.info.features)) == {"image", "captions"}

        def examples():
            for place, (content, texts) in enumerate(catalogue_examples(split)):
                yield {"image": content, "captions": {"text": texts if place else [*texts, " "]}}

        text = tf.TensorSpec((None,), tf.string)
        signature = {"image": tf.TensorSpec((), tf.string), "captions": {"text": text}}
        return tf.data.Dataset.from_generator(examples, output_signature=signature)

    with tfds.testing.mock_data(num_examples=5, as_dataset_fn=as_dataset):
        yield


def test_the_catalogue(catalogue, capsys):
    splits = read("tfds", catalogue_name="coco_captions")
    out = capsys.readouterr().out
    assert "coco_captions of the TensorFlow Datasets catalogue: 5 training and 5 test" in out
    assert out.count("coco_captions: 1 empty captions are left out, the first is ") == 3
    for part, split in (("train", "train"), ("validation", "val"), ("test", "test")):
        # Each is read from where it lies, in whatever order.
        found = [(picture.read(), list(said)) for picture, said in reversed(getattr(splits, part))]
        assert found[::-1] == catalogue_examples(split)
    found = [picture.name for picture, _ in everything(splits)]
    assert len(set(found)) == 15


def test_what_the_catalogue_does_not_have(catalogue):
    with pytest.raises(ValueError, match="the catalogue has no data set 'no_such_set'"):
        read("tfds", catalogue_name="no_such_set")
    with pytest.raises(ValueError, match="mnist is no data set of images with `captions`"):
        read("tfds", catalogue_name="mnist")


@pytest.mark.parametrize("source", ["samples", "no/such/folder", "mine.csv"])
def test_unknown_sources(source):
    with pytest.raises(ValueError, match=f"'sample', 'tfds', or the path .*{source}"):
        read(source)
