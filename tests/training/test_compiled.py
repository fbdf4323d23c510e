"""Compiled networks: outputs, gradients and running statistics are those of the same network in
PyTorch, in float64.
"""

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from surrogate_nas.benchmarks.live import LiveBenchmark
from surrogate_nas.files import HOME_VARIABLE
from surrogate_nas.space import nb201, space_named
from surrogate_nas.space.network import (
    CONV3,
    NONE,
    POOL,
    SKIP,
    Blueprint,
    Graph,
    Network,
    around,
    windows,
)
from surrogate_nas.training import TASKS, machine, train
from surrogate_nas.training.fast import compiled
from surrogate_nas.training.fast.kernels import NARROW, WIDE
from surrogate_nas.training.fast.network import CompiledNetwork
from tests.conftest import FULL
from tests.few_digits import TINY

ROOT = Path(__file__).parents[2]
SPACES = ("nb201", "macro", "nats-size", "darts", "nasnet", "nb101")


def net(size, inputs=1, *, channels=4, **settings):
    given = {"cells_per_stage": 1, **settings}
    return Network(channels=channels, image_size=size, input_channels=inputs, **given)


NETWORKS = {
    "image": net(14),
    "odd image, odd channels, two cells": net(
        9, 3, channels=3, cells_per_stage=2, classes=3
    ),
    "signal": net(13, 2, dimensions=1),
    "plain reductions": net(7, 2, residual=False),
    "causal, plain reductions": net(6, dimensions=1, causal=True, residual=False),
    "causal": net(11, 2, channels=5, dimensions=1, causal=True),
    "image, positions": net(9, positions=True),
    "image, unstrided": net(5, 8, strided=False),
    "image, unstrided positions, plain reductions": net(
        6, positions=True, strided=False, residual=False
    ),
    "signal, positions": net(13, 2, dimensions=1, positions=True),
    "signal, unstrided": net(7, 2, dimensions=1, strided=False),
    "signal, unstrided positions": net(
        8, 2, channels=3, dimensions=1, positions=True, strided=False
    ),
    "one pixel at last": net(3, channels=8),
}
ALL_SPACES = pytest.mark.parametrize("name", SPACES)
MOST = 2e-5
"""Of the norm of all gradients; PyTorch's own float32 is as far off in deep networks."""


def inputs(network, examples, seed):
    height = network.image_size if network.dimensions == 2 else 1
    shape = (examples, network.input_channels, height, network.image_size)
    return normal(shape, seed)


def normal(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, dtype=torch.float64, generator=generator)


def plain(space, cell, network):
    return space.build(cell, network, seed=0).double()


def off(ours, theirs):
    """The distance, of the norm of theirs; of nothing, itself."""
    norm = float(np.linalg.norm(theirs))
    return float(np.linalg.norm(ours - theirs)) / (norm or 1.0)


def flat(tensors):
    return np.concatenate([tensors[name].ravel() for name in sorted(tensors)])


def gradients(module):
    held = module.named_parameters()
    return {
        name: np.zeros(one.shape) if one.grad is None else one.grad.numpy()
        for name, one in held
    }


def compare(
    space,
    cell,
    network,
    batches=(7, 7, 4),
):
    """Steps of several batches, then answers and their slope by the running statistics: the largest
    distances.
    """
    theirs = plain(space, cell, network)
    plan = space.blueprint(cell, network)
    assert plan is not None
    ours = CompiledNetwork(plan, seed=0, batch=max(batches), at_once=3)
    found = {"forward": 0.0, "gradient": 0.0}
    # rooms are used again, also by a smaller batch
    for step, examples in enumerate(batches):
        x = inputs(network, examples, step)
        wanted = theirs(x)
        come = normal(wanted.shape, step)
        theirs.zero_grad()
        (wanted * come).sum().backward()
        forward = off(ours.forward(x.float().numpy()), wanted.detach().numpy())
        ours.backward(come.float().numpy())
        gradient = off(flat(ours.weights("gradients")), flat(gradients(theirs)))
        for what, apart in (("forward", forward), ("gradient", gradient)):
            found[what] = max(found[what], apart)
    theirs.eval()
    x = inputs(network, 5, 9).requires_grad_()
    wanted = theirs(x)
    come = normal(wanted.shape, 9)
    slope = torch.zeros_like(x)
    if wanted.requires_grad:
        slope = torch.autograd.grad((wanted * come).sum(), x, allow_unused=True)[0]
        slope = torch.zeros_like(x) if slope is None else slope
    seen = x.detach().float().numpy()
    found["answer"] = off(ours.predict(seen), wanted.detach().numpy())
    found["slope"] = off(ours.input_gradient(seen, come.float().numpy()), slope.numpy())
    return found


@ALL_SPACES
def test_every_space_computes_what_its_plain_networks_do(name):
    """Every network on NAS-Bench-201 and on another space; the slow test has all on each."""
    space = space_named(name)
    rng = np.random.default_rng(3)
    kinds = [*NETWORKS.values()]
    some = 4 * kinds if name == "nb201" else kinds[SPACES.index(name) % 3 :: 3]
    found = [compare(space, space.sample(rng), network) for network in some]
    for what in found[0]:
        # A number within rounding of 0 may pass a ReLU on one side and not on the other: one in
        # some hundred cells.
        *most, worst = sorted(one[what] for one in found)
        assert np.median(most) < 3e-6 and most[-1] < MOST and worst < 1e-2, what


@pytest.mark.slow
@ALL_SPACES
def test_random_cells_have_the_gradients_of_the_reference(name):
    space = space_named(name)
    rng = np.random.default_rng(0)
    kinds = [*NETWORKS.values()]
    distances = [
        compare(space, space.sample(rng), kinds[i % len(kinds)], (16, 9))
        for i in range(500 if FULL else 30)
    ]
    # A number within rounding of 0 passes a ReLU on one side and not on the other: rare, and then
    # the gradient is off.
    for what in distances[0]:
        each = np.array([one[what] for one in distances])
        assert np.median(each) < (1e-6 if name in ("nb201", "macro") else 2e-6), what
        assert np.quantile(each, 0.95) < (1e-3 if what == "gradient" else MOST), what


LAYERS = {
    "convolution": (
        lambda p, x: p.convolution(x, "w", 5, (3, 3)),
        lambda x, w: F.conv2d(x, w["w"], padding=1),
    ),
    "strided": (
        lambda p, x: p.convolution(x, "w", 8, (3, 3), stride=(2, 2)),
        lambda x, w: F.conv2d(x, w["w"], stride=2, padding=1),
    ),
    "dilated": (
        lambda p, x: p.convolution(x, "w", 4, (5, 5), dilation=2),
        lambda x, w: F.conv2d(x, w["w"], padding=4, dilation=2),
    ),
    "row": (
        lambda p, x: p.convolution(x, "w", 4, (1, 7)),
        lambda x, w: F.conv2d(x, w["w"], padding=(0, 3)),
    ),
    "depthwise": (
        lambda p, x: p.convolution(x, "w", 4, (3, 3), depthwise=True),
        lambda x, w: F.conv2d(x, w["w"], padding=1, groups=4),
    ),
    "shifted": (
        lambda p, x: p.convolution(x, "w", 4, (1, 1), stride=(2, 2), start=(1, 1)),
        lambda x, w: F.conv2d(x[:, :, 1:, 1:], w["w"], stride=2),
    ),
    "normalisation": (
        lambda p, x: p.normalisation(x, "n"),
        lambda x, w: F.batch_norm(
            x, None, None, w["n.weight"], w["n.bias"], training=True
        ),
    ),
    "plain normalisation": (
        lambda p, x: p.normalisation(x, "n", affine=False),
        lambda x, _: F.batch_norm(x, None, None, training=True),
    ),
    "relu": (lambda p, x: p.relu(x), lambda x, _: x.relu()),
    "average": (lambda p, x: p.pool(x), lambda x, _: mean_of_windows(x, 1)),
    "strided average": (
        lambda p, x: p.pool(x, 3, 2),
        lambda x, _: mean_of_windows(x, 2),
    ),
    "largest": (
        lambda p, x: p.pool(x, 3, 2, largest=True),
        lambda x, _: F.max_pool2d(x, 3, 2, 1),
    ),
    "halve": (lambda p, x: p.halve(x), lambda x, _: F.avg_pool2d(x, 2)),
    "halve largest": (
        lambda p, x: p.halve(x, largest=True),
        lambda x, _: F.max_pool2d(x, 2),
    ),
    "sum": (
        lambda p, x: p.sum(x, p.relu(x), p.pool(x)),
        lambda x, _: x + x.relu() + mean_of_windows(x, 1),
    ),
    "join": (
        lambda p, x: p.join(p.relu(x), p.convolution(x, "w", 3, (1, 1)), x),
        lambda x, w: torch.cat([x.relu(), F.conv2d(x, w["w"]), x], 1),
    ),
    "part": (
        lambda p, x: p.sum(p.part(x, 3), p.part(p.relu(x), 3)),
        lambda x, _: x[:, :3] + x[:, :3].relu(),
    ),
}
"""By kind, how a layer is written and what PyTorch computes."""


def mean_of_windows(x, stride):
    return F.avg_pool2d(x, 3, stride, 1, count_include_pad=False)


@pytest.mark.parametrize("kind", LAYERS)
def test_the_gradient_of_every_operation_is_float64s(kind):
    write, compute = LAYERS[kind]
    plan = Blueprint(
        Network(
            classes=3, image_size=6, input_channels=4, positions=True, strided=False
        )
    )
    plan.answer(write(plan, plan.input()))
    network = CompiledNetwork(plan, seed=1, batch=70)
    weights = {
        name: torch.from_numpy(one).double().requires_grad_()
        for name, one in network.weights().items()
    }
    for examples in (1, 8, 16, 21, 33, 64, 70):
        x = inputs(plan.network, examples, examples)
        ours = network.forward(x.float().numpy())
        wanted = torch.einsum(
            "bchw,oc->bohw", compute(x, weights), weights["head.weight"]
        )
        wanted = wanted + weights["head.bias"][:, None, None]
        come = normal(wanted.shape, 0)
        slopes = torch.autograd.grad((wanted * come).sum(), [*weights.values()])
        network.backward(come.float().numpy())
        assert off(ours, wanted.detach().numpy()) < 1e-6, examples
        for one, slope in zip(
            network.weights("gradients").values(), slopes, strict=True
        ):
            relative = np.abs(one - slope.numpy()) / (
                np.abs(slope.numpy()) + 1e-2 * float(slope.abs().max()) + 1e-12
            )
            assert np.median(relative) < 1e-6, examples
            assert relative.max() < 1e-3, examples


@ALL_SPACES
def test_weights_start_as_the_plain_networks(name):
    space = space_named(name)
    cell = space.sample(np.random.default_rng(1))
    plan = space.blueprint(cell, NETWORKS["image"])
    assert plan is not None
    ours = plan.weights(3)
    theirs = dict(space.build(cell, NETWORKS["image"], seed=3).named_parameters())
    assert set(ours) == set(theirs)
    for key, one in ours.items():
        assert one.shape == tuple(theirs[key].shape)
        assert (
            np.abs(one - theirs[key].detach().numpy()).max() < 6e-8
        )  # an ulp of numbers below 1


def test_a_step_is_stochastic_gradient_descent_as_pytorch_has_it():
    space = nb201()
    network = NETWORKS["plain reductions"]
    theirs = plain(space, space[11], network)
    ours = CompiledNetwork(around(space.graph(space[11]), network), seed=0, batch=7)
    optimiser = torch.optim.SGD(
        theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    for step in range(3):
        x = inputs(network, 7, step)
        optimiser.zero_grad()
        theirs(x).square().sum().backward()
        optimiser.step()
        ours.backward(2 * ours.forward(x.float().numpy()))
        ours.sgd_step(0.05, 0.9, 5e-4)
    moved = {name: one.detach().numpy() for name, one in theirs.named_parameters()}
    assert off(flat(ours.weights()), flat(moved)) < 1e-5


def test_what_lies_behind_a_batch_does_not_count():
    network = NETWORKS["image"]
    plan = around(nb201().graph(nb201()[11]), network)
    fresh, used = (CompiledNetwork(plan, seed=0, batch=64) for _ in range(2))
    used._arena[used.program.fixed.size :] = np.nan
    x = inputs(network, 5, 0).float().numpy()
    for one in (fresh, used):
        one.backward(np.array(one.forward(x)))
    assert np.array_equal(
        flat(fresh.weights("gradients")), flat(used.weights("gradients"))
    )


def test_dead_operations_and_a_cell_without_a_path_have_no_gradients():
    edges = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
    network = NETWORKS["image"]
    for operations in (
        (CONV3, NONE, NONE, SKIP, NONE, NONE),
        (CONV3, NONE, POOL, NONE, NONE, NONE),
    ):
        ours = CompiledNetwork(
            around(Graph(edges, operations), network), seed=0, batch=8
        )
        x = inputs(network, 8, 0).float().numpy()
        ours.backward(np.ones_like(ours.forward(x)))
        found = ours.weights("gradients")
        assert all(not one.any() for name, one in found.items() if ".edges." in name)
        assert found["head.bias"].any()
        assert ours.input_gradient(x, np.ones((8, 10), np.float32)).any() == (
            operations[3] == SKIP
        )


def test_windows_say_where_a_layer_looks():
    causal = windows((1, 4), (1, 3), (1, 1), 1, True)
    assert [tuple(row[:2]) for row in causal.reads.tolist() if row[0] == 2] == [
        (2, 0),
        (2, 1),
        (2, 2),
    ]
    strided = windows((5, 5), (3, 3), (2, 2))
    assert strided.size == (3, 3) and strided.inputs == 25
    assert windows((5, 5), (3, 3), (2, 2)) is strided


@pytest.mark.parametrize("shape", [(2, 4, 32, 32), (65, 3, 32, 32), (0, 3, 32, 32)])
def test_inputs_of_another_shape_are_refused(shape):
    network = CompiledNetwork(
        around(nb201().graph(nb201()[11]), Network(channels=4, cells_per_stage=1)),
        seed=0,
        batch=64,
    )
    with pytest.raises(ValueError, match=r"do not fit a network for \(3, 32, 32\)"):
        network.forward(np.zeros(shape, np.float32))


WHOLE = (
    "import numpy as np\n"
    "from surrogate_nas.space import nb201\n"
    "from surrogate_nas.training import TASKS, train\n"
    "for task, cells in (('digits', (11, 5000)), ('rotation', (11,)), ('cartpole', (284,))):\n"
    "    for cell in cells:\n"
    "        (curve,) = train([nb201()[cell]], TASKS[task], epochs=2, seed=3)\n"
    "        numbers = {name: [v.hex() for v in values] for name, values in curve.values.items()}\n"
    "        print(task, cell, numbers, {name: v.hex() for name, v in curve.finals.items()})\n"
)
"""Whole trainings, to the last bit."""
PLAIN = "X86_V4 AVX512_ICL AVX512_SPR"
"""What NumPy has for AVX-512."""
LESSER = {"OPENBLAS_CORETYPE": "Haswell", "NPY_DISABLE_CPU_FEATURES": PLAIN}
COMPILES = (
    "from surrogate_nas.training.fast.compiled import kernels; print(kernels().shape)"
)


def fresh(code, cpu="", **env):
    """Run code in a process of its own, with kernels for another processor if one is named."""
    other = f"compiled._processor = lambda _: ({cpu!r}, '')\n" if cpu else ""
    return subprocess.run(
        [
            sys.executable,
            "-c",
            f"from surrogate_nas.training.fast import compiled\n{other}{code}",
        ],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


def both_fresh(code, cpu, **env):
    """What code prints here, and on another processor."""
    with ThreadPoolExecutor(2) as pool:
        here = pool.submit(fresh, code)
        other = fresh(code, cpu, **env)
    assert here.result().stdout, here.result().stderr
    return here.result().stdout, other.stdout or other.stderr


def runs_avx2():
    told = Path("/proc/cpuinfo")
    return (
        platform.machine() == "x86_64"
        and told.exists()
        and " avx2 " in told.read_text()
    )


needs_avx2 = pytest.mark.skipif(
    not runs_avx2(), reason="names processors with AVX2, as Linux tells"
)


@needs_avx2
def test_trainings_are_the_same_bit_for_bit_on_every_processor():
    here, other = both_fresh(WHOLE, "x86-64-v3", **LESSER)
    assert here.count("valid_loss") == 4 and other == here


@needs_avx2
@pytest.mark.slow
def test_what_multiplies_matrices_is_the_same_where_the_message_is_followed():
    code = WHOLE.replace(
        "('digits', (11, 5000)), ('rotation', (11,)), ('cartpole', (284,))",
        "('generation', (11,)),",
    )
    assert all(
        f"{name}={value}" in machine.HOW_TO_AGREE.replace("'", "")
        for name, value in LESSER.items()
    )
    code += (
        "from surrogate_nas.benchmarks.live import"
        " LiveBenchmark\nprint(LiveBenchmark('generation').backend)\n"
    )
    one, other = (fresh(code, name, **LESSER) for name in ("", "haswell"))
    assert "valid_frechet" in one.stdout and one.stdout == other.stdout, other.stderr


EMULATED = (
    "import numpy as np\nfrom surrogate_nas.training.fast.compiled import kernels\nrng ="
    " np.random.default_rng(0)\ndef some(n):\n    return np.ldexp(rng.uniform(-2, 2, n),"
    " rng.integers(-149, 40, n)).astype(np.float32)\nweights, gradients, momenta = (some(160_000)"
    " for _ in range(3))\nkernels().sgd_step(*(one.ctypes.data for one in (weights, gradients,"
    " momenta)), 160_000, 0.1, 0.9, 3e-4)\nprint(weights.tobytes().hex(),"
    " momenta.tobytes().hex())\n"
)


@needs_avx2
def test_without_a_fused_multiply_add_the_numbers_are_the_same():
    own, lacking = both_fresh(EMULATED + TRAINED, "nocona")
    assert own == lacking


@pytest.mark.parametrize(
    ("triple", "processor", "wanted"),
    [
        ("x86_64-unknown-linux-gnu", "skylake-avx512", "zmm"),
        ("x86_64-unknown-linux-gnu", "znver2", "vfmadd"),
        ("aarch64-unknown-linux-gnu", "apple-m1", "fmla"),
    ],
)
def test_processors_that_cannot_be_tried_here_are_compiled_for(
    triple, processor, wanted
):
    import llvmlite.binding as llvm

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    target = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=2)
    shape = compiled._shape(llvm, target)
    assert shape == (WIDE if wanted == "zmm" else NARROW)
    module = llvm.parse_assembly(compiled.written(shape))
    module.triple = triple
    text = target.emit_assembly(module)
    assert wanted in text and "fmaf" not in text


@pytest.mark.parametrize("name", ["exp", "log"])
def test_exponentials_and_logarithms_are_within_a_unit_of_the_last_place(name):
    rng = np.random.default_rng(0)
    wide = np.ldexp(rng.uniform(0.5, 1, 20_003), rng.integers(-1074, 1024, 20_003))
    x = rng.uniform(-745, 709, 20_003) if name == "exp" else wide
    found = getattr(machine, name)(x)
    wanted = getattr(np, name)(x.astype(np.longdouble))
    normal = np.abs(wanted) > 1e-300
    ulps = np.abs(found - wanted)[normal] / np.spacing(
        np.abs(wanted[normal].astype(float))
    )
    assert ulps.max() < 1
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324, 1.0])
    with np.errstate(all="ignore"):
        wanted = getattr(np, name)(special)
    assert np.allclose(
        getattr(machine, name)(special), wanted, rtol=1e-15, equal_nan=True
    )


def test_exponentials_keep_shape_and_order():
    x = (
        np.random.default_rng(0)
        .normal(size=(3, 5, 7))
        .astype(np.float32)
        .transpose(2, 0, 1)
    )
    assert np.array_equal(machine.exp(x), machine.exp(np.ascontiguousarray(x)))
    assert machine.exp(x).dtype == np.float64
    assert (
        machine.exp(x[:0]).shape == (0, 3, 5) and float(machine.exp(np.float64(0))) == 1
    )


TRAINED = (
    "import sys\n"
    "from surrogate_nas.space import nb201\n"
    "from surrogate_nas.training import TASKS, train\n"
    "print(train([nb201()[11]], TASKS['digits'], epochs=1)[0].metrics['test_loss'])\n"
    "print(sorted({'torch', 'sklearn', 'numba', 'scipy.stats', 'pandas'} & {*sys.modules}))\n"
)


def test_training_needs_no_pytorch_and_a_damaged_or_missing_cache_is_made_anew(
    fresh_home,
):
    first = fresh(TRAINED)
    assert first.stdout.split("\n")[1] == "[]", first.stderr
    assert "compiling" in first.stderr.lower()
    (kept,) = (fresh_home / "compiled").glob("*.o")
    whole = kept.read_bytes()
    for damaged in (b"", bytes(len(whole)), whole[: len(whole) // 2]):
        kept.write_bytes(damaged)
        assert not is_loaded(kept)
    compiled.kernels.cache_clear()
    assert compiled.kernels().shape in (WIDE, NARROW) and kept.read_bytes() == whole
    again = fresh(TRAINED)
    assert again.stdout == first.stdout and not again.stderr


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path):
    (tmp_path / "compiled").write_text("a file where a folder should be")
    assert (
        fresh(TRAINED, **{HOME_VARIABLE: str(tmp_path)}).stdout.split("\n")[1] == "[]"
    )


@pytest.fixture(scope="module")
def compiled_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("compiled-once")
    made = fresh(COMPILES, **{HOME_VARIABLE: str(folder)})
    assert made.returncode == 0 and "Compiling" in made.stderr
    (path,) = (folder / "compiled").glob("*.o")
    return path


@pytest.fixture
def cached(compiled_once, fresh_home):
    """The file of the kernels in a home of its own."""
    folder = fresh_home / "compiled"
    folder.mkdir(mode=0o700)
    return Path(shutil.copy2(compiled_once, folder))


def is_loaded(path):
    return compiled._Cache(path.stem).read() is not None


def test_the_cache_is_of_this_user_alone(compiled_once, cached):
    assert compiled_once.parent.stat().st_mode & 0o777 == 0o700
    assert compiled_once.stat().st_mode & 0o777 == 0o600
    cached.parent.chmod(0o777)  # as an earlier release made it under a lax mask
    assert is_loaded(cached)
    assert cached.parent.stat().st_mode & 0o777 == 0o700


def sealed(head, code):
    """A file whose checksum is right."""
    whole = head + b"\n" + code
    return whole + hashlib.sha256(whole).digest()


def test_code_that_others_can_write_is_made_anew_and_its_garbage_never_run(cached):
    whole = cached.read_bytes()
    cached.write_bytes(sealed(whole.partition(b"\n")[0], b"\x7fELF" + bytes(1000)))
    assert is_loaded(cached)  # nothing but the rights tells that it is a forgery
    for mode in (0o660, 0o606, 0o620, 0o602):
        cached.chmod(mode)
        assert not is_loaded(cached)
    made = fresh(COMPILES)
    assert made.returncode == 0 and "Compiling" in made.stderr
    assert cached.read_bytes() == whole and cached.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0,
    reason="only root gives files to another user",
)
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_anothers_is_not_loaded(cached, what):
    os.chown(cached if what == "file" else cached.parent, 12345, 12345)
    assert not is_loaded(cached)


def test_a_file_of_another_key_or_other_kernels_is_not_loaded(cached):
    head, _, code = cached.read_bytes()[:-32].partition(b"\n")
    cached.write_bytes(sealed(head, code))
    assert is_loaded(cached)
    others = [
        b"0" + head,
        head.replace(b"sgd_step", b"ascend"),
        b"[" * 9999,
        b"\xff",
        b"",
    ]
    for other in others:
        cached.write_bytes(sealed(other, code))
        assert not is_loaded(cached)


@pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="makes what this system does not have"
)
@pytest.mark.parametrize("what", ["fifo", "link", "folder"])
def test_what_is_no_file_in_the_cache_does_no_harm(cached, what, tmp_path):
    whole = cached.read_bytes()
    cached.unlink()
    if what == "fifo":
        os.mkfifo(cached)
    elif what == "link":
        elsewhere = tmp_path / "elsewhere.o"
        elsewhere.write_bytes(whole)
        cached.symlink_to(elsewhere)
    else:
        cached.mkdir()
    assert not is_loaded(cached)
    if what == "link":
        made = fresh(COMPILES)
        assert made.returncode == 0 and "Compiling" in made.stderr
        assert cached.read_bytes() == whole and not cached.is_symlink()


@pytest.mark.skipif(
    not hasattr(os, "mkfifo"), reason="makes what this system does not have"
)
def test_a_link_in_place_of_the_folder_is_not_followed(cached, tmp_path):
    cached.parent.rename(tmp_path / "elsewhere")
    cached.parent.symlink_to(tmp_path / "elsewhere")
    assert not is_loaded(cached)


@needs_avx2
def test_engines_of_other_arithmetic_have_other_names_and_refuse_each_others_work():
    code = (
        "import pickle\n"
        "from surrogate_nas.benchmarks.live import LiveBenchmark\n"
        "bench = LiveBenchmark('digits')\n"
        "print(bench.backend, bench.fingerprint, pickle.dumps(bench).hex(), sep='\\n')\n"
    )
    usual, lesser = (
        fresh(code, NPY_DISABLE_CPU_FEATURES=lacks).stdout.splitlines()
        for lacks in ("", f"X86_V3 {PLAIN}")
    )
    assert usual[0] == "compiled 2" and lesser[0].startswith("compiled 2, NumPy ")
    assert usual[1] != lesser[1]
    opened = fresh(f"import pickle; pickle.loads(bytes.fromhex({lesser[2]!r}))")
    assert (
        "results of two backends are never mixed" in opened.stderr
        and "NPY_DISABLE_CPU_FEATURES" in opened.stderr
    )
    assert (
        fresh(f"import pickle; pickle.loads(bytes.fromhex({usual[2]!r}))").returncode
        == 0
    )


def test_a_task_whose_trainer_multiplies_matrices_names_them():
    assert LiveBenchmark("digits").backend == machine.engine_named(nb201())
    assert LiveBenchmark("generation").backend.endswith(f", BLAS {machine.matrices()}")


def test_shipped_tables_were_made_by_engines_that_sum_in_this_order():
    cards = [
        json.loads(path.read_text())
        for folder in ("losses", "protocol")
        for path in (ROOT / "data" / folder).glob("*.json")
    ]
    losses = [loss for card in cards for loss in card["losses"].values()]
    engines = {
        loss["engine"] for loss in losses if "engine" in loss
    }  # since 26 November 2026
    # generation is judged by products of matrices: its engine names their library
    kernels = {engine.partition(", BLAS ")[0] for engine in engines}
    assert kernels and kernels <= {"compiled 1", machine.COMPILED}


def resident():
    """MB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="reads what Linux tells"
)
def test_many_trainings_leave_no_memory_behind():
    space = nb201()
    rng = np.random.default_rng(0)
    for _ in range(300):
        train([space.sample(rng)], TINY, epochs=1, test=False)
    before = resident()
    for _ in range(10_000 if FULL else 1_000):
        train([space.sample(rng)], TINY, epochs=1, test=False)
    assert resident() - before < (20 if FULL else 3)


@pytest.mark.parametrize("task", ["digits", "text", "generation"])
def test_a_training_fits_into_little_memory(task):
    network = TASKS[task].network()
    plan = around(nb201().graph(nb201()[11]), network)
    one = CompiledNetwork(plan, seed=0, batch=TASKS[task].schedule.batch, at_once=64)
    one.input_gradient(
        np.zeros((2, *plan.layers[0].shape), np.float32),
        np.zeros_like(one.predict(np.zeros((2, *plan.layers[0].shape)))),
    )
    assert one._arena.nbytes < 20e6
