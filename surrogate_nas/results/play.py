"""One search run in which a person, a script or an agent proposes the cells.

A run with an external optimiser follows the rules of all other runs. It starts with the initial
cells that all strategies share. Every evaluation is charged to the budget, final (test) metrics are
never revealed, and the run is stored. The external optimiser decides which cells to evaluate
(`surrogate_nas.strategies.conversation`). A thread waits for the optimiser's messages.
"""

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import SimpleQueue
from typing import Any, ClassVar, Self

from surrogate_nas.benchmarks import Benchmark
from surrogate_nas.core import UserError, check_file_name, checked, plural
from surrogate_nas.files import locked
from surrogate_nas.results.api import search
from surrogate_nas.runs.options import ObjectiveOptions, budget_of
from surrogate_nas.runs.problem import ObjectiveLike, bind
from surrogate_nas.runs.run import Run
from surrogate_nas.space import Cell, Request, Space
from surrogate_nas.strategies import BLIND, OURS, StrategyEntry
from surrogate_nas.strategies.conversation import MOST_CELLS, Talker, written

Message = dict[str, Any]


class _LeftError(BaseException):
    """Raised when the external optimiser has left. The run ends and can be resumed."""


class _Player(Talker):
    play: "ClassVar[Play]"

    def __init__(self, space: Space, *, seed: int) -> None:
        super().__init__(space, seed=seed)
        self.since: int | None = None
        self._decided = list[Cell | Request]()
        self.play.player = self

    def opening(self, n: int) -> Mapping[str, Any] | None:
        return None if self.since is None else self.outcome()

    def exchange(self, reply: Mapping[str, Any] | None) -> object:
        if reply is not None:
            self.play.replies.put(reply)
        message = self.play.messages.get()
        if message is _LeftError:
            raise _LeftError
        return message

    def ask(self, n: int) -> Sequence[Cell | Request]:
        if self._decided:
            self.remarks = {"said": []}
        else:
            most = int(self.left().get("cells", MOST_CELLS))
            self._decided += super().ask(min(most, MOST_CELLS))
            self.since = len(self.trials)
        asked, self._decided = self._decided[:n], self._decided[n:]
        return asked

    def outcome(self) -> Message:
        """Return the trials of the last evaluation, the best trial, and the remaining budget."""
        trials = list(map(written, self.trials[self.since :]))
        self.since = None
        return {"trials": trials, "best": self.best(), "left": self.left()}


class Play:
    """A run with an external optimiser that sends messages
    (`surrogate_nas.strategies.conversation`).

    Example:
        >>> with Play("fashion", "valid_loss + 0.1*params", budget=12) as play:
        ...     (text,) = play.call({"sample": 1})["cells"]
        ...     (trial,) = play.call({"evaluate": [text]})["trials"]
        ...     trial["cell"] == text, play.call({"finish": True})["evaluations"]
        (True, 11)

    Attributes:
        run: The finished run, or None if the run has not ended or has failed.
        failure: The error message if the run failed, or an empty string.
        budget: The budget of the run.
    """

    @checked
    def __init__(
        self,
        benchmark: str | Benchmark,
        objective: ObjectiveLike = None,
        *,
        subject_to: str | None = None,
        budget: int | None = None,
        budget_seconds: float | None = None,
        run: int = 0,
        seed: int = 0,
        name: str = "play",
        blind: bool = False,
        folder: Path | None = None,
        **options: Any,
    ) -> None:
        """Start the run, or resume the run with the same name in the folder.

        Args:
            benchmark: A name, as for `surrogate_nas.load`, or an opened benchmark.
            objective: The objective to minimise. None for the benchmark's default.
            subject_to: Constraints as a string.
            budget: The largest number of evaluations, including initial cells, 150 if no budget is
                given.
            budget_seconds: The largest number of simulated seconds.
            run: The number of the run.
            seed: The seed from which all randomness is derived.
            name: The name of the external optimiser in the results.
            blind: Whether to hide the names of cells and metrics behind random names.
            folder: The folder to store the run in. None keeps it in memory.
            **options: Other options of `surrogate_nas.search`.

        Raises:
            UserError: An argument is invalid, or another process is writing to the folder.
        """
        check_file_name("The name of an external optimiser", name)
        if name in OURS:
            raise UserError(f"{name} is a strategy. Choose another name.")
        self.budget = budget_of(budget, budget_seconds)
        bound = bind(benchmark, objective, subject_to, ObjectiveOptions.out_of(options))
        self.player: _Player | None = None
        self.messages: SimpleQueue[Any] = SimpleQueue()
        self.replies: SimpleQueue[Mapping[str, Any] | None] = SimpleQueue()
        self._blind = blind
        label = BLIND + name if blind else name
        player = type("Player", (_Player,), {"play": self})
        entry = StrategyEntry(name, label, "built-in", player, blinded=blind)
        if folder is not None and Path(folder).is_dir():
            # a second player learns of it at once
            with locked(Path(folder), wait=False):
                pass
        self.run: Run | None = None
        self.failure = ""
        self._lock = threading.Lock()
        self._made = Future[Run]()
        asked: Message = {
            "budget": self.budget.cells,
            "budget_seconds": self.budget.seconds,
        }
        asked |= {"run": run, "seed": seed, "folder": folder, **options}
        threading.Thread(
            target=self._make,
            args=(bound.benchmark, entry, bound),
            kwargs=asked,
            daemon=True,
        ).start()

    def _make(self, *asked: Any, **options: Any) -> None:
        try:
            self._made.set_result(search(*asked, **options))
        except BaseException as error:  # noqa: BLE001 - raised again where the run is waited for
            self._made.set_exception(error)
        self.replies.put(None)

    @property
    def is_over(self) -> bool:
        """Whether the run has ended, so that no further evaluation is possible."""
        return self._made.done()

    def call(self, message: object) -> Mapping[str, Any]:
        """Process a message of the optimiser (decoded JSON) and return the reply. The reply to an
        invalid message is ``{"error": …}``.
        """
        with self._lock:
            if not self.is_over:
                self.messages.put(message)
                reply = self.replies.get()
                if reply is not None:
                    return reply
            self._wait()
            return self._afterwards(message)

    def _wait(self) -> None:
        try:
            self.run = self._made.result()
        except _LeftError:
            pass
        except UserError as error:
            self.failure = " ".join(str(error).split())

    def _afterwards(self, message: object) -> Message:
        if self.failure:
            return {"error": f"The run failed: {self.failure}"}
        player = self.player
        operations = {*message} if isinstance(message, dict) else set()
        if "finish" in operations or player is None:
            return self.summary()
        if player.since is not None:
            return {**player.outcome(), **self.summary()}
        if "evaluate" in operations:
            return {"error": f"{self._ending}; nothing more is evaluated."}
        try:
            answer = player.answer(message, 1)
        except UserError as error:
            answer = {"error": str(error)}
        return answer if isinstance(answer, dict) else self.summary()

    @property
    def _ending(self) -> str:
        return f"The run is over after {plural(self.evaluations, 'evaluation')}"

    @property
    def evaluations(self) -> int:
        """Number of evaluations so far, including initial cells."""
        if self.run is not None:
            return len(self.run.trials)
        return 0 if self.player is None else len(self.player.trials)

    def summary(self) -> Message:
        """Return the result of the run, without final metrics."""
        best = None if self.player is None else self.player.best()
        if self.player is None and self.run is not None and not self._blind:
            best = written(self.run.lowest)
        return {
            "over": f"{self._ending}.",
            "evaluations": self.evaluations,
            "best": best,
        }

    def close(self) -> None:
        """Leave the run. If the run is stored in a folder and unfinished, it can be resumed."""
        self.messages.put(_LeftError)
        self._wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
