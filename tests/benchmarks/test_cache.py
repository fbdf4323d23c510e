"""The cache of answers: several processes, kills, full disks and damage lose and change nothing."""

import json
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from surrogate_nas.benchmarks.trained import AnswerCache, Trained
from surrogate_nas.core.errors import UserError
from tests.formats import FOLDER

KEY = ("cell", 1, 0)
ADD = """
import sys
from pathlib import Path
from surrogate_nas.benchmarks.trained import AnswerCache, Trained
cache, me, many = AnswerCache(Path(sys.argv[1])), sys.argv[2], int(sys.argv[3])
for i in range(many):
    stands = cache.add(("cell", 1, i), Trained({"me": me}, 1.0), {})
    print(stands.metrics["me"], flush=True)
"""


def answer(number=1.0):
    return Trained({"x": number}, 2.0, "curve")


@pytest.fixture
def file(tmp_path):
    return tmp_path / "live" / "t.sqlite"


def adding(file, me, many=40):
    command = [sys.executable, "-c", ADD, str(file), me, str(many)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_an_answer_is_kept_as_it_was(file):
    cache = AnswerCache(file)
    assert cache.find(KEY) is None
    assert not file.exists()
    assert cache.add(KEY, answer(0.1), {"torch": "2"}) == answer(0.1)
    assert cache.add(KEY, answer(0.2), {}) == answer(0.1)
    cache.add_all(
        {("cell", 1, 7): answer(), ("cell", 12, 9): answer(), KEY: answer(3.0)}, {}
    )
    again = AnswerCache(file)
    assert again.find(KEY) == answer(0.1) and again.find(("cell", 12, 9)) == answer()
    assert again.find(("cell", 1, 1)) is None and again.find(("cel", 1, 0)) is None


def test_processes_that_answer_at_once_agree_and_lose_nothing(file):
    said = [
        process.communicate()[0].split()
        for process in [adding(file, me) for me in "abc"]
    ]
    assert said[0] == said[1] == said[2] and len(said[0]) == 40
    cache = AnswerCache(file)
    found = [cache.find(("cell", 1, number)) for number in range(41)]
    assert [one and one.metrics["me"] for one in found] == [*said[0], None]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_what_a_process_was_told_outlives_its_end(file, end):
    rng = random.Random(0)
    most = 0
    for me in "abcd":
        process = adding(file, me, 1000)
        assert process.stdout is not None
        for _ in range(most + rng.randrange(1, 4)):
            process.stdout.readline()
        process.send_signal(end)
        process.communicate()
        told = most + 1
        cache = AnswerCache(file)
        while cache.find(("cell", 1, most)) is not None:
            most += 1
        assert most >= told
    cache.add(("other", 1, 0), answer(), {})


def test_a_full_disk_is_one_line_and_loses_nothing(file):
    adding(file, "a").communicate()
    size = file.stat().st_size

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    command = [sys.executable, "-c", ADD, str(file), "b", "1000"]
    ended = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=limit, check=False
    )
    assert ended.returncode and set(ended.stdout.split()[:40]) == {"a"}
    last = ended.stderr.splitlines()[-1]
    assert f"UserError: Cannot write {file}: " in last and "SURROGATE_NAS_HOME" in last
    cache = AnswerCache(file)
    assert all(
        cache.find(("cell", 1, number)) for number in range(len(ended.stdout.split()))
    )
    cache.add(("other", 1, 0), answer(), {})


def test_a_folder_that_is_none_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "t.sqlite", tmp_path):
        with pytest.raises(UserError, match="Cannot write") as refused:
            AnswerCache(path).add(KEY, answer(), {})
        assert "\n" not in str(refused.value)


@pytest.mark.slow
def test_no_flipped_bit_and_no_cut_changes_an_answer(file):
    answers = {("cell", 1, i): answer(i) for i in range(60)}
    AnswerCache(file).add_all(answers, {})
    whole = file.read_bytes()
    rng = random.Random(0)
    for number in range(300):
        content = bytearray(whole)
        at = rng.randrange(len(content))
        content[at] ^= 1 << rng.randrange(8)
        file.write_bytes(content if number % 2 else content[:at])
        cache = AnswerCache(file)
        try:
            for _ in range(2):
                assert all(
                    cache.find(key) in (trained, None)
                    for key, trained in answers.items()
                )
                cache.add_all(answers, {})
        except UserError as error:
            assert str(file) in str(error) and "\n" not in str(error)


def test_a_file_that_is_no_database_is_one_line(file):
    file.parent.mkdir()
    file.write_bytes(b"nonsense" * 100)
    with pytest.raises(
        UserError, match=r"is damaged \(file is not a database\)\. Delete it"
    ):
        AnswerCache(file).find(KEY)


def test_an_answer_under_another_question_is_dropped(file, capsys):
    AnswerCache(file).add(KEY, answer(), {})
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE answers SET key = ?", [json.dumps(["cell", 1, 5])])
    assert AnswerCache(file).find(("cell", 1, 5)) is None
    assert capsys.readouterr().err.count("\n") == 1
    assert AnswerCache(file).add(("cell", 1, 5), answer(5.0), {}) == answer(5.0)


# the lines of earlier versions


@pytest.fixture
def old(file):
    """The file of lines of a release, with a torn line at its end."""
    path = file.with_suffix(".jsonl")
    path.parent.mkdir()
    shutil.copy(FOLDER / "0.1.0" / "answers.jsonl", path)
    with path.open("ab") as torn:
        torn.write(b'0123 ["torn"')
    return path


def test_the_lines_of_an_earlier_version_are_taken_over_once(file, old):
    expected = json.loads((FOLDER / "0.1.0" / "expected.json").read_text())[
        "answers.jsonl"
    ]
    cell, epochs, seed, *_ = json.loads(
        old.read_text().partition(" ")[2].partition("\n")[0]
    )
    found = AnswerCache(file).find((cell, epochs, seed))
    assert found is not None
    assert {"metrics": found.metrics, "seconds": found.seconds} == expected
    old.unlink()
    assert AnswerCache(file).find((cell, epochs, seed)) == found


def test_a_damaged_line_of_an_earlier_version_is_told(file, old):
    old.write_bytes(b"nonsense\n" + old.read_bytes())
    for _ in range(2):
        with pytest.raises(
            UserError, match=f"Line 1 of {old} is damaged; delete that line or"
        ):
            AnswerCache(file).find(KEY)
