import gzip
import re
from itertools import chain, permutations

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from apps.common.refusal import Refusal
from apps.translation import sample as pair_sample
from apps.translation.data import from_path, load
from apps.translation.settings import Settings

PARTS = {"train": 12, "val": 4, "test": 3}


def sentences(part, language, count):
    return [f"{part} {language} {number}\u2028 with a break\u0085." for number in range(count)]


def pairs(part, count=None):
    count = PARTS[part] if count is None else count
    return list(zip(sentences(part, "de", count), sentences(part, "en", count), strict=True))


def write(path, lines):
    content = "".join(f"{line}\n" for line in lines).encode("utf-8")
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def write_folder(folder, val="val", test="test", ending=""):
    for name, part in (("train", "train"), (val, "val"), (test, "test")):
        for language in ("de", "en"):
            lines = sentences(part, language, PARTS[part])
            write(folder / f"{name}.{language}{ending}", lines)


def write_table(path, examples):
    write(path, ("\t".join(example) for example in examples))


def read(path, source="de", target="en", **options):
    options |= {"source_language": source, "target_language": target}
    return load(str(path), **options)


def everything(splits):
    return [*splits.train, *splits.validation, *splits.test]


def key(text):
    return " ".join(text.casefold().split())


# Folders


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("val", ["val", "valid", "validation", "dev", "val_2016", "dev.lc"])
def test_a_folder_of_aligned_files(tmp_path, val, ending):
    write_folder(tmp_path, val, "test_2016_flickr", ending)
    splits = read(tmp_path)
    assert splits.train == pairs("train")
    assert splits.validation == pairs("val")
    assert splits.test == pairs("test")
    assert splits.with_validation(1) is splits


def test_either_language_may_be_the_source(tmp_path, capsys):
    write_folder(tmp_path)
    splits = read(tmp_path, "en", "de")
    assert splits.test == [pair[::-1] for pair in pairs("test")]
    said = capsys.readouterr().out
    assert "en to de" in said
    assert "12 training and 3 test" in said


def test_one_of_several_test_parts_is_chosen_by_the_beginning_of_its_name(tmp_path):
    write_folder(tmp_path, test="test_2016")
    for language in ("de", "en"):
        write(tmp_path / f"test_2017.{language}", [f"another {language}"])
    with pytest.raises(
        ValueError,
        match=r"one file test\*\.de, and has test_2016\.de, test_2017\.de; .* --test-files",
    ):
        read(tmp_path)
    assert read(tmp_path, test_files="test_2016").test == pairs("test")
    assert read(tmp_path, test_files="test_2017").test == [("another de", "another en")]
    with pytest.raises(ValueError, match=r"must have a file test_2018\.de or .* and has none"):
        read(tmp_path, test_files="test_2018")


def test_a_name_that_fits_exactly_comes_before_longer_ones(tmp_path):
    write_folder(tmp_path)
    for name in ("train_more", "test_2017", "valuable"):
        for language in ("de", "en"):
            write(tmp_path / f"{name}.{language}", [f"another {language}"])
    splits = read(tmp_path)
    assert (splits.train, splits.test) == (pairs("train"), pairs("test"))
    assert splits.validation == pairs("val")


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_a_folder_without_a_part(tmp_path, part):
    write_folder(tmp_path)
    (tmp_path / f"{part}.en").unlink()
    with pytest.raises(
        ValueError, match=rf"must have a file {part}\.en or {part}\.en\.gz, and has none"
    ):
        read(tmp_path)


@pytest.mark.parametrize("languages", [(None, None), ("de", None), (None, "en"), ("de", "de")])
def test_both_languages_must_be_named(tmp_path, languages):
    write_folder(tmp_path, ending=".gz")
    with pytest.raises(
        ValueError, match=r"--source-language .* train files are of de, en, received"
    ):
        read(tmp_path, *languages)


def test_a_folder_with_nothing_in_it(tmp_path):
    with pytest.raises(ValueError, match="train files are of none"):
        read(tmp_path, None, None)
    with pytest.raises(ValueError, match=r"must have a file train\.de"):
        read(tmp_path)


def test_files_of_unequal_length(tmp_path):
    write_folder(tmp_path)
    write(tmp_path / "val.en", sentences("val", "en", 5))
    with pytest.raises(ValueError, match=r"val\.de and .*val\.en must be aligned .* 4 and 5 lines"):
        read(tmp_path)


def test_pairs_with_an_empty_side_are_left_out_and_counted(tmp_path, capsys):
    write_folder(tmp_path)
    texts = {"de": ["eins", "", " \u3000", "vier"], "en": ["one", "two", "three", ""]}
    for language, lines in texts.items():
        write(tmp_path / f"train.{language}", lines)
    assert read(tmp_path).train == [("eins", "one")]
    line = "train.de: 3 pairs with an empty side are left out, the first is line 2\n"
    assert line in capsys.readouterr().out


@pytest.mark.parametrize("part", PARTS)
def test_parts_without_sentences(tmp_path, part):
    write_folder(tmp_path)
    for language in ("de", "en"):
        write(tmp_path / f"{part}.{language}", [])
    with pytest.raises(ValueError, match=rf"{part}\.de: there are no sentences"):
        read(tmp_path)


def test_training_pairs_whose_source_is_held_out_are_left_out(tmp_path, capsys):
    write_folder(tmp_path)
    held = ["test DE 0\u2028  with a break\u0085.", "val de 1 with a break .", "new"]
    write(tmp_path / "train.de", [*held, sentences("val", "de", 4)[2]])
    write(tmp_path / "train.en", ["a", "b", "c", "d"])
    write(tmp_path / "val.de", [*sentences("val", "de", 3), sentences("test", "de", 1)[0]])
    splits = read(tmp_path)
    assert splits.train == [("new", "c")]
    assert splits.validation == pairs("val")[:3]
    assert splits.test == pairs("test")
    assert "3 training pairs whose source is held out" in capsys.readouterr().out


def test_parts_that_are_all_the_same_leave_nothing(tmp_path):
    write_folder(tmp_path)
    for language in ("de", "en"):
        write(tmp_path / f"train.{language}", sentences("test", language, 3))
    with pytest.raises(ValueError, match="in one part only; 0, 4 and 3 are left"):
        read(tmp_path)


def test_bytes_and_files_that_are_damaged(tmp_path):
    write_folder(tmp_path, ending=".gz")
    (tmp_path / "test.de").write_bytes(b"caf\xe9\r\n")
    write(tmp_path / "test.en", ["coffee"])
    with pytest.raises(ValueError, match=r"must have one file test\*\.de"):
        read(tmp_path)
    for language in ("de", "en"):
        (tmp_path / f"test.{language}.gz").unlink()
    assert read(tmp_path).test == [("café", "coffee")]
    (tmp_path / "val.en.gz").write_bytes(b"plain")
    with pytest.raises(ValueError, match=r"val\.en\.gz: the file is not a sound gzip"):
        read(tmp_path)


# Files without parts


@pytest.mark.parametrize("name", ["mine.tsv", "mine.txt", "mine.tsv.gz"])
def test_a_table_is_cut_always_alike_and_holds_every_pair_once(tmp_path, name):
    examples = [(f"Source {number}", f"target {number}") for number in range(60)]
    write_table(tmp_path / name, examples)
    splits, again = (load(str(tmp_path / name)) for _ in range(2))
    assert everything(again) == everything(splits)
    assert sorted(everything(splits)) == sorted(examples)
    assert (len(splits.validation), len(splits.test)) == (3, 3)


def test_a_table_may_be_turned_and_have_more_columns(tmp_path):
    rows = [(f"Source {number}", f"target {number}", "a note") for number in range(40)]
    write_table(tmp_path / "mine.tsv", rows)
    (tmp_path / "mine.tsv").write_bytes((tmp_path / "mine.tsv").read_bytes() + b"\n \n")
    straight = load(str(tmp_path / "mine.tsv"))
    turned = load(str(tmp_path / "mine.tsv"), turned=True)
    assert sorted(everything(straight)) == sorted(row[:2] for row in rows)
    assert sorted(everything(turned)) == sorted((row[1], row[0]) for row in rows)


def test_a_missing_tab_is_named_by_its_line(tmp_path):
    rows = ["a\tb", "", "no tab here " * 20, "c\td"]
    write(tmp_path / "mine.txt", rows)
    with pytest.raises(
        ValueError, match=r"mine\.txt, row 2 \(line 3\): .* with a tab .* received 1, 'no tab"
    ) as said:
        load(str(tmp_path / "mine.txt"))
    assert len(str(said.value)) < len(str(tmp_path)) + 250
    write(tmp_path / "mine.txt", ["no tab here"] * 20)
    with pytest.raises(ValueError, match=r"columns \['1'\] hold .* line 1 is 'no tab .*--target"):
        load(str(tmp_path / "mine.txt"))


def test_a_pair_of_files(tmp_path):
    examples = pairs("train", 40)
    write(tmp_path / "mine.de.gz", [source for source, _ in examples])
    write(tmp_path / "theirs", [target for _, target in examples])
    options = {"target": str(tmp_path / "theirs")}
    splits = load(str(tmp_path / "mine.de.gz"), **options)
    assert sorted(everything(splits)) == sorted(examples)
    write(tmp_path / "theirs", ["too few"])
    with pytest.raises(ValueError, match=r"mine\.de\.gz and .*theirs must .* 40 and 1 lines"):
        load(str(tmp_path / "mine.de.gz"), **options)
    with pytest.raises(OSError, match="absent"):
        load(str(tmp_path / "mine.de.gz"), target=str(tmp_path / "absent"))


@pytest.mark.parametrize(
    ("layout", "options"),
    [
        ("folder", {"turned": True}),
        ("folder", {"target": "other"}),
        ("table", {"source_language": "de"}),
        ("table", {"target_language": "en"}),
        ("table", {"test_files": "test_2016"}),
        ("folder", {"test_part": 0.2}),
        ("folder", {"separator": ";"}),
        ("folder", {"source_column": "1"}),
        ("pair", {"no_header": True}),
        ("pair", {"turned": True}),
    ],
)
def test_options_without_effect_are_refused(tmp_path, layout, options):
    (tmp_path / "table").write_text("a\tb\n")
    path = tmp_path if layout == "folder" else tmp_path / "table"
    (name,) = options
    target = {"target": str(path)} if layout == "pair" else {}
    with pytest.raises(Refusal, match=rf"^{name} has no effect with a .*: leave it out; received"):
        from_path(path, **options, **target)


def test_several_training_files_are_refused(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "train.de").rename(tmp_path / "train_1.de")
    write(tmp_path / "train_2.de", ["more"])
    with pytest.raises(Refusal, match=r"train_1\.de, train_2\.de; leave one, or name one of them"):
        read(tmp_path)


def test_an_empty_file(tmp_path):
    for name in ("mine.tsv", "target"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(ValueError, match=r"mine\.tsv: the file holds no records"):
        load(str(tmp_path / "mine.tsv"))
    with pytest.raises(ValueError, match=r"mine\.tsv: there are no sentences"):
        load(str(tmp_path / "mine.tsv"), target=str(tmp_path / "target"))


def test_too_few_sentences_to_hold_some_out(tmp_path):
    # Many lines, but all alike.
    write_table(tmp_path / "mine.tsv", [("The  same", str(number)) for number in range(99)])
    with pytest.raises(
        ValueError, match=r"at least 11 different source sentences are needed, .* there are 1$"
    ):
        load(str(tmp_path / "mine.tsv"))
    write_table(tmp_path / "mine.tsv", [(str(number), "x") for number in range(20)])
    splits = load(str(tmp_path / "mine.tsv"))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (18, 1, 1)


@hypothesis_settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.builds(
                lambda number, case, gap: case(f"source{gap}{number}"),
                st.integers(0, 60),
                st.sampled_from([str.upper, str.lower, str.title]),
                st.sampled_from([" ", "  ", "\u00a0"]),
            ),
            st.sampled_from(["a", "b", "c"]),
        ),
        max_size=200,
    )
)
def test_no_source_sentence_is_in_two_parts(tmp_path_factory, drawn):
    examples = [(f"other {number}", "x") for number in range(30)] + drawn
    path = tmp_path_factory.mktemp("tables") / "mine.tsv"
    write_table(path, examples)
    splits = from_path(path)
    assert sorted(everything(splits)) == sorted(examples)
    parts = (splits.train, splits.validation, splits.test)
    keys = [{key(source) for source, _ in part} for part in parts]
    assert all(keys)
    assert all(one.isdisjoint(other) for one, other in permutations(keys, 2))


def test_the_cut_does_not_depend_on_the_order_of_the_lines(tmp_path):
    examples = [(f"Source {number}", f"target {number}") for number in range(60)]
    write_table(tmp_path / "mine.tsv", examples)
    write_table(tmp_path / "turned.tsv", examples[::-1])
    one, other = (from_path(tmp_path / f"{name}.tsv") for name in ("mine", "turned"))
    assert sorted(one.test) == sorted(other.test)
    assert sorted(one.validation) == sorted(other.validation)


PAIRS = [(f"The dog hears {n} cats.", f"Le chien âgé entend {n} chats.") for n in range(40)]
ATTRIBUTION = "CC-BY 2.0 (France) Attribution: tatoeba.org #{} (CM)"


@pytest.mark.parametrize(
    ("rows", "columns"),
    [
        ([(str(1000 + n), one, str(2000 + n), two) for n, (one, two) in enumerate(PAIRS)], "24"),
        ([(one, two, ATTRIBUTION.format(n)) for n, (one, two) in enumerate(PAIRS)], "12"),
        ([("eng", one, "fra", two) for one, two in PAIRS], "24"),
    ],
)
def test_columns_that_hold_no_sentences_are_passed_over(tmp_path, rows, columns, capsys):
    write_table(tmp_path / "mine.tsv", rows)
    assert sorted(everything(from_path(tmp_path / "mine.tsv"))) == sorted(PAIRS)
    said = capsys.readouterr().out
    assert f"the source is in column '{columns[0]}', the target in column '{columns[1]}'" in said
    options = {"source_column": columns[1], "target_column": columns[0]}
    turned = from_path(tmp_path / "mine.tsv", **options)
    assert sorted(everything(turned)) == sorted(pair[::-1] for pair in PAIRS)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("header", "turned"),
    [
        ("source,target", False),
        ("target,source", True),
        ("en,fr", False),
        ("English,French", False),
        ("question,answer", False),
    ],
)
def test_a_header_names_the_columns(tmp_path, header, turned, capsys):
    body = "".join(f'"{one}","{two}"\n' for one, two in PAIRS)
    (tmp_path / "mine.csv").write_text(f"{header}\n{body}", "utf-8")
    splits = from_path(tmp_path / "mine.csv")
    assert sorted(everything(splits)) == sorted(pair[::-1] if turned else pair for pair in PAIRS)
    said = capsys.readouterr().out
    assert ("(--no-header says otherwise)" in said) == ("question" in header)
    assert ("(--source-column and --target-column say otherwise)" in said) == (
        "source" not in header
    )
    one, two = header.split(",")
    (tmp_path / "mine.tsv").write_text(f"{header}\n{body}".replace(",", "\t"), "utf-8")
    splits = from_path(tmp_path / "mine.tsv", source_column=two, target_column=one)
    assert sorted(everything(splits)) == sorted(pair[::-1] for pair in PAIRS)


def test_a_first_row_of_sentences_is_no_header(tmp_path):
    (tmp_path / "mine.csv").write_text("".join(f"{one},{two}\n" for one, two in PAIRS), "utf-8")
    assert sorted(everything(from_path(tmp_path / "mine.csv"))) == sorted(PAIRS)
    (tmp_path / "mine.csv").write_text("".join(f"a{n},b{n}\n" for n in range(30)))
    assert len(everything(from_path(tmp_path / "mine.csv", no_header=True))) == 30


def test_a_first_row_that_may_be_a_header_or_has_nothing_to_say(tmp_path, capsys):
    write_table(tmp_path / "mine.tsv", [("Frage", "Antwort"), *PAIRS])
    assert len(everything(from_path(tmp_path / "mine.tsv"))) == 41
    assert "the first row, 'Frage', 'Antwort', is taken for sentences" in capsys.readouterr().out
    assert len(everything(from_path(tmp_path / "mine.tsv", source_column="Frage"))) == 40
    write_table(tmp_path / "mine.tsv", [("", ""), ("No", "Non"), *PAIRS])
    assert sorted(everything(from_path(tmp_path / "mine.tsv"))) == sorted([("No", "Non"), *PAIRS])
    line = "mine.tsv: 1 pairs with an empty side are left out, the first is row 1\n"
    assert line in capsys.readouterr().out


def test_columns_that_are_not_certain(tmp_path):
    rows = [(one, two, f"Der Hund hört {n}") for n, (one, two) in enumerate(PAIRS)]
    write_table(tmp_path / "mine.tsv", rows)
    with pytest.raises(Refusal, match=r"not certain which of the columns .* --source-column and"):
        from_path(tmp_path / "mine.tsv")
    options = {"source_column": "3", "target_column": "2"}
    splits = from_path(tmp_path / "mine.tsv", **options)
    assert sorted(everything(splits)) == sorted(row[:0:-1] for row in rows)
    with pytest.raises(Refusal, match=r"no column '9' for --source-column among \['1', '2', '3'\]"):
        from_path(tmp_path / "mine.tsv", **options | {"source_column": "9"})


def test_quotes_of_who_speaks_stay(tmp_path):
    rows = [*PAIRS, ('"Yes."', '"Oui."'), ('"No", he said.', '"Non" \u00bb')]
    write_table(tmp_path / "mine.tsv", rows)
    assert sorted(everything(from_path(tmp_path / "mine.tsv"))) == sorted(rows)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_tables_and_of_pairs_of_files(tmp_path, encoding):
    table = "".join(f"{one}\t{two}\r\n" for one, two in PAIRS)
    (tmp_path / "mine.tsv").write_bytes(table.encode(encoding))
    assert sorted(everything(from_path(tmp_path / "mine.tsv"))) == sorted(PAIRS)
    for name, texts in zip(("en", "fr"), zip(*PAIRS, strict=True), strict=True):
        (tmp_path / name).write_bytes("\n".join(texts).encode(encoding))
    splits = from_path(tmp_path / "en", target=str(tmp_path / "fr"))
    assert sorted(everything(splits)) == sorted(PAIRS)


def test_parts_of_a_file(tmp_path):
    write_table(tmp_path / "mine.tsv", PAIRS)
    splits = from_path(tmp_path / "mine.tsv", test_part=0.25, validation_part=0.1)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (26, 4, 10)
    for part, words in ((1.0, "test_part must be between 0 and 1"), (0.9, "below 1 together")):
        with pytest.raises(Refusal, match=words):
            from_path(tmp_path / "mine.tsv", test_part=part, validation_part=0.1)
    with pytest.raises(Refusal, match="--test-part and --validation-part; there are 40"):
        from_path(tmp_path / "mine.tsv", test_part=0.97)


def test_settings_of_earlier_versions_named_test_files_otherwise():
    settings = Settings(test_part="test_2016")
    assert (settings.test_files, settings.test_part) == ("test_2016", None)


# The embedded sample


@pytest.fixture(scope="module")
def sample():
    return load("sample")


def words(text):
    return set(re.findall(r"\w+|[^\w\s]", text.lower()))


def combinations(english):
    """Returns every adjective with its noun, and every verb with its object, of a sentence."""
    kinds = {noun.one: noun.one for noun in pair_sample.NOUNS}
    kinds |= {noun.many: noun.one for noun in pair_sample.NOUNS}
    adjectives = {row[0] for row in (*pair_sample.BEFORE, *pair_sample.AFTER)}
    verbs = {}
    for verb in pair_sample.VERBS:
        for form in (verb.base, verb.third, verb.participle):
            verbs[form] = verb.base
    text = english.lower().rstrip(".?").removeprefix("is it true that ")
    found = set()
    for adjective in adjectives:
        found |= {(adjective, kinds[noun]) for noun in re.findall(rf"\b{adjective} (\w+)", text)}
    # "the dog is not red" has its noun right before "is" or "are".
    for noun, adjective in re.findall(r"(\w+) (?:is|are) (?:not )?(\w+)$", text):
        found |= {(adjective, kinds[noun])} if adjective in adjectives else set()
    determiners = "the|an?|some|this|these|my"
    for form, base in verbs.items():
        phrase = rf"\b{form} (?:{determiners}) (?:(?:{'|'.join(adjectives)}) )?(\w+)$"
        found |= {(base, kinds[noun]) for noun in re.findall(phrase, text)}
    return found


def test_the_sample_is_the_same_each_time_and_has_no_english_sentence_twice(sample):
    again = load("sample")
    assert (again.train, again.test, again.further) == (sample.train, sample.test, sample.further)
    assert sample.further.keys() == {"combinations"}
    english = [pair[0] for pair in (*sample.train, *sample.test, *sample.further["combinations"])]
    assert len(set(english)) == len(english) == 10_000
    assert (len(sample.train), len(sample.test)) == (8000, 1000)


def test_the_sample_reads_as_sentences(sample):
    for english, french in (*sample.train, *sample.test, *sample.further["combinations"]):
        for text in (english, french):
            assert text[0].isupper()
            assert text[-1] in ".?"
            assert "  " not in text
        assert english.endswith("?") == french.endswith(" ?")
        assert english.count(" not ") == len(re.findall(r"\bn(?:e |')", french))
        assert not re.search(
            r" (?:de le|de les|de des|ce [aeiouhéêî]\w+|[jn]e [aeiouhéêî])", french
        )


def test_combinations_that_are_held_out_occur_in_sentences_of_their_own_alone(sample):
    held = sample.further["combinations"]
    known = set().union(*(combinations(english) for english, _ in (*sample.train, *sample.test)))
    for english, _ in held:
        assert combinations(english) - known, english
    unseen = set().union(*(combinations(english) for english, _ in held)) - known
    total = (len(pair_sample.BEFORE) + len(pair_sample.AFTER) + len(pair_sample.VERBS)) * len(
        pair_sample.NOUNS
    )
    assert len(known) + len(unseen) == total
    assert len(unseen) == round(pair_sample.HELD_OUT * total)


def test_all_words_of_what_is_tested_occur_in_training(sample):
    for side in (0, 1):
        known = set().union(*(words(pair[side]) for pair in sample.train))
        tested = chain(sample.test, sample.further["combinations"])
        assert set().union(*(words(pair[side]) for pair in tested)) <= known


def test_validation_of_the_sample_is_drawn_from_training(sample):
    splits = sample.with_validation(1)
    assert len(splits.validation) == 800
    assert sorted([*splits.train, *splits.validation]) == sorted(sample.train)
    assert splits.further == sample.further


# The catalogue


def catalogue_examples(split):
    return [(f"{split} pt {number} ação", f"{split} en {number}") for number in range(20)]


@pytest.fixture
def catalogue():
    tfds = pytest.importorskip("tensorflow_datasets")
    import tensorflow as tf

    def as_dataset(self, split, **_):
        examples = catalogue_examples(split)
        if split == "train":  # some of what is held out as well
            examples += catalogue_examples("validation")[:2] + catalogue_examples("test")[:2]
        sides = zip(*examples, strict=True)
        return tf.data.Dataset.from_tensor_slices(
            dict(zip(("pt", "en"), map(list, sides), strict=True))
        )

    with tfds.testing.mock_data(num_examples=20, as_dataset_fn=as_dataset):
        yield


@pytest.mark.parametrize("language", [None, "pt", "en"])
def test_the_catalogue(catalogue, language):
    name = "ted_hrlr_translate/pt_to_en"
    splits = load("tfds", catalogue_name=name, source_language=language)
    turn = -1 if language == "en" else 1
    for part in ("train", "validation", "test"):
        assert [pair[::turn] for pair in getattr(splits, part)] == catalogue_examples(part)


def test_what_the_catalogue_does_not_have(catalogue):
    with pytest.raises(ValueError, match="the catalogue has no data set 'no_such_set'"):
        load("tfds", catalogue_name="no_such_set")
    with pytest.raises(ValueError, match=r"source_language must be pt or en, .*; received 'de'"):
        load(
            "tfds",
            catalogue_name="ted_hrlr_translate/pt_to_en",
            source_language="de",
        )


@pytest.mark.parametrize("source", ["samples", "no/such/folder", "mine.tsv"])
def test_unknown_sources(source):
    with pytest.raises(ValueError, match=f"'sample', 'tfds', or the path .*{source}"):
        load(source)
