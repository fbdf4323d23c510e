"""AutoKeras on our data, for as long as our strategies."""

import pytest

from analysis.papers import autokeras, reproduce


@pytest.mark.slow
def test_autokeras_and_ours_share_a_table_and_are_not_run_again(tmp_path, monkeypatch):
    monkeypatch.setattr(autokeras, "SECONDS", 5.0)
    monkeypatch.setattr(autokeras, "DEFAULTS", ["random"])
    result = reproduce("autokeras", folder=tmp_path)
    rows = {(row.method, row.metric): row for row in result.rows}
    theirs = rows["autokeras", "valid_error"]
    assert "block_type=" in theirs.verdict
    assert theirs.ours is not None and 0 <= theirs.ours < 50
    for method in ("autokeras", "random"):
        sizes = [rows[method, name].ours for name in ("parameters", "latency_ms")]
        assert all(size is not None and size > 0 for size in sizes)
    spent = rows["random", "valid_error"].seconds
    assert spent is not None and 0 < spent <= 5
    assert list(reproduce("autokeras", folder=tmp_path).rows) == list(result.rows)
