"""The study of tables that are entered as plain choices, in small."""

import numpy as np
import pytest

import surrogate_nas as sn
from analysis import plain
from surrogate_nas.files import HOME_VARIABLE


@pytest.mark.slow
def test_a_table_of_plain_choices_is_searched_in_three_forms(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    name = "losses-splice-macro"
    loss = "valid_loss@cross_entropy"
    monkeypatch.setattr(plain, "TABLES", {"tune": {name: (loss, "params")}})
    given = {"runs": 2, "budget": 12, "strategies": "random,bo", "workers": 1}
    plain.main("tune", **given, folder=tmp_path / "plain")
    assert "bo" in capsys.readouterr().out
    forms = {"alone": "", "known": "latency", "observed": "energy"}
    suite = sn.read(tmp_path / "plain" / "tune-100")
    assert [p.name for p in suite.problems] == [f"{name}-{form}" for form in forms]
    for problem, cost in zip(suite.problems, forms.values(), strict=True):
        objective = sn.Objective(problem.problem.objective, sn.load(f"plain-{name}"))
        names = [each.name for each in objective.free.observed]
        assert names == (["energy[1]"] if cost == "energy" else [])
        assert ("latency" in objective.free.terms) == (cost == "latency")
    whole, imported = sn.load(name), sn.load(f"plain-{name}")
    assert len(imported.space) == len(whole.space)
    assert type(imported.space) is sn.ChoiceSpace
    np.testing.assert_allclose(
        np.sort(imported.column("valid_loss")), np.sort(whole.column(loss))
    )
