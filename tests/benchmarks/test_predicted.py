"""NAS-Bench-301: every cell of DARTS's space has one code, and what is told of it is what the
published model says.
"""

import json
import pickle
import sys

import numpy as np
import pytest

from surrogate_nas.benchmarks import load, reserved
from surrogate_nas.benchmarks.learned import PredictedBenchmark
from surrogate_nas.core.errors import AbsentError, UserError
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.space import choices_of, space_named
from surrogate_nas.tables.sources import fetching, nb301
from surrogate_nas.tables.sources.base import source_of

DARTS = space_named("darts")
PREFIX = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"


@pytest.fixture(scope="module")
def files(mirror, own_home):
    """The published files, which are checked by sha256, by their names."""
    assert mirror.is_dir() and own_home.is_dir()
    return {path.name: path for path in fetching.fetch("nb301")}


@pytest.fixture(scope="module")
def bench(files):
    assert len(files) == 3
    found = load("nb301")
    assert isinstance(found, PredictedBenchmark)
    return found


def plainly_encoded(genotype, encoding):
    """A genotype as the model reads it, written from the published space's names alone."""
    chosen = dict.fromkeys(encoding, "#na#")
    for half in ("normal", "reduce"):
        edges = getattr(genotype, half)[0]
        first = 0
        for node in range(2, 6):
            pair = edges[2 * (node - 2) : 2 * (node - 2) + 2]
            low, high = sorted(source for _, source in pair)
            if node > 2:
                chosen[f"{PREFIX}inputs_node_{half}_{node}"] = f"{low}_{high}"
            for operation, source in pair:
                chosen[f"{PREFIX}edge_{half}_{first + source}"] = operation
            first += node
    return [encoding[name][word] for name, word in chosen.items()]


def test_codes_are_those_of_the_published_space(files):
    encoding = json.loads(files["encoding_v2.json"].read_text())
    cells = [*map(DARTS.parse, DARTS.named), *DARTS.reference_sample[:200]]
    expected = [plainly_encoded(DARTS.genotype(cell), encoding) for cell in cells]
    assert nb301.encoded(choices_of(cells)).tolist() == expected


def test_answers_are_what_the_model_says(bench, files):
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(files["model_v2.onnx"]), providers=["CPUExecutionProvider"]
    )
    cells = list(DARTS.reference_sample[:30])
    codes = nb301.encoded(choices_of(cells))
    for epochs in (1, 50, 98):
        (said,) = session.run(
            None,
            {"x_cat": codes, "x_cont": np.full((len(cells), 1), epochs, np.float32)},
        )
        expected_of = {
            "valid_error": 100 - 100 * said[:, 0].astype(float),
            "valid_loss": said[:, 1],
            "train_seconds": said[:, 2],
        }
        for metric, expected in expected_of.items():
            found = [
                float(answer) for answer in bench.query(cells, metric, epochs=epochs)
            ]
            assert np.allclose(found, expected, rtol=1e-5), metric
    assert said.shape == (30, 4), "the last output is unknown"


def test_what_it_says_of_itself(bench):
    assert (
        "A surrogate of a surrogate" in bench.banner
        and "every cell of the space darts" in bench.title
    )
    assert bench.space is DARTS and bench.licence == "Apache-2.0"
    assert "Zela" in bench.citation and "YAHPO" in bench.citation
    assert pickle.loads(pickle.dumps(bench)) is bench and len(bench.fingerprint) == 64
    assert bench.query("DARTS_V2", "params") == DARTS.analytic["params"][1](
        choices_of([DARTS.parse("DARTS_V2")]), bench.network
    )
    assert source_of("nb301") == "nb301" and "nb301" in reserved()


def test_a_batch_is_answered_as_one_by_one(bench):
    cells = list(DARTS.reference_sample[300:330])
    question = bench.question("valid_error")
    alone = [bench.measure([cell], (question,)).values[0, 0] for cell in cells]
    assert np.allclose(
        PredictedBenchmark("nb301").measure(cells, (question,)).values[:, 0],
        alone,
        rtol=1e-6,
    )
    assert bench.measure([], (question,)).values.shape == (0, 1)
    twice = bench.measure([cells[0], cells[0]], (question, bench.question("params")))
    assert twice.values[0].tolist() == twice.values[
        1
    ].tolist() and twice.values.shape == (
        2,
        2,
    )


def test_what_an_answer_costs(bench):
    cell = DARTS.reference_sample[7]
    seconds = {
        epochs: float(bench.query(cell, "train_seconds", epochs=epochs))
        for epochs in (20, 98)
    }
    asked = [bench.question("valid_error", 20), bench.question("valid_loss", 98)]
    assert bench.measure([cell], asked).cost[0] == seconds[98]
    assert bench.measure([cell], [bench.question("params")]).cost[0] == 0
    assert bench.continued(cell, 20, 98) == seconds[98] - seconds[20] > 0
    steps = [
        bench.continued(DARTS.reference_sample[place], epochs, epochs + 1)
        for place in range(20)
        for epochs in range(1, 98)
    ]
    assert min(steps) == 0.0, "where the model has seconds fall"


def test_bad_questions(bench, snas):
    with pytest.raises(UserError, match="has no seeds, so there is no seed 3"):
        bench.query("DARTS_V2", "valid_error", training_seed=3)
    refused = snas(
        "query", "nb301", "DARTS_V2", "--metric", "valid_error", "--epochs", 99
    )
    assert (
        refused.code == 2
        and "has valid_error for trainings of 1 to 98 epochs, not 99." in refused.err
    )
    assert refused.err.count("\n") == 1
    assert snas("query", "nb301", "NASNet", "--metric", "valid_error").code == 2


def test_without_files_or_library_one_line_says_what_to_do(
    tmp_path, monkeypatch, snas, files
):
    nb301._session.cache_clear()
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "onnxruntime", None)
        with pytest.raises(
            UserError,
            match=r"The benchmark nb301 needs onnxruntime: pip install 'surrogate_nas\[nb301\]'",
        ):
            nb301.predict("nb301", choices_of([DARTS.reference]), 98)
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    with pytest.raises(
        AbsentError,
        match=r"nb301 is not on this machine yet: run snas data fetch nb301 \(3 MB\)",
    ):
        load("nb301")
    listed = {entry["name"]: entry for entry in snas("benchmarks", "--json").json}
    assert (
        not listed["nb301"]["available"]
        and "snas data fetch nb301" in listed["nb301"]["get"]
    )
    assert snas("data", "fetch", "nb301", "--json").json["benchmarks"] == ["nb301"]
    assert len(snas("data", "verify", "--json").json["checks"]) == 3
    (tmp_path / "fetched").joinpath(*files["model_v2.onnx"].parts[-5:]).write_bytes(
        b"no model"
    )
    nb301._session.cache_clear()
    refused = snas(
        "query", "nb301", "DARTS_V1", "--metric", "valid_error", "--epochs", 3
    )
    assert (
        refused.code == 2
        and "model_v2.onnx was altered: run snas data fetch nb301" in refused.err
    )
    assert refused.err.count("\n") == 1
    nb301._session.cache_clear()


@pytest.mark.parametrize("strategy", ["evolution", "bo_epochs"])
def test_every_strategy_runs(bench, strategy, snas):
    assert bench.objective == "valid_error + 0.05*params"
    found = snas("search", "nb301", "--strategy", strategy, "--budget", 14, "--json")
    assert found.code == 0, found.err
    assert found.json["regret"] is None and found.json["cost"] > 0
