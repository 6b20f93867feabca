"""The training loop does what it says, the same way every time, and stops with a reason."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from attn_lib import training
from attn_lib.checkpoints import load_checkpoint, save_checkpoint
from attn_lib.training import fit, schedule

Batch = tuple[Tensor, Tensor]


def line_model(dropout: float = 0.0) -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Dropout(dropout), nn.Linear(8, 1))


def batches(count: int = 8) -> list[Batch]:
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(count, 16, 3, generator=draw)
    return [(x, x.sum(-1, keepdim=True)) for x in inputs]


def mean_square(model: nn.Module, batch: Batch) -> Tensor:
    return (model(batch[0]) - batch[1]).square().mean()


def weights(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_it_learns_and_records_every_step() -> None:
    model = line_model()
    history = fit(model, batches(), mean_square, steps=200, lr=1e-2, progress=False)
    assert history.steps == 200 == len(history.learning_rate) == len(history.grad_norm)
    assert sum(history.loss[-8:]) < 0.05 * sum(history.loss[:8])
    assert max(history.learning_rate) == pytest.approx(1e-2)


def test_one_step_is_adamw_with_decay_on_matrices_only() -> None:
    model, other = line_model(), line_model()
    batch = batches(1)[0]
    settings_ = {"lr": 0.01, "warmup": 1, "weight_decay": 0.5, "clip": None}
    fit(model, [batch], mean_square, steps=1, progress=False, **settings_)  # type: ignore[arg-type]
    mean_square(other, batch).backward()
    with torch.no_grad():
        for p in other.parameters():
            # Adam's first step is lr · g / (|g| + eps), whatever its betas
            decay = 1 - 0.01 * 0.5 if p.dim() >= 2 else 1.0
            p.mul_(decay).sub_(0.01 * p.grad / (p.grad.abs() + 1e-8))
    torch.testing.assert_close(weights(model), weights(other))


def test_gradients_do_not_pile_up() -> None:
    def slope(model: nn.Module, batch: Batch) -> Tensor:
        return 3 * sum(p.sum() for p in model.parameters())  # the same gradient at every step

    model = line_model()
    history = fit(model, batches(), slope, steps=4, progress=False)
    expected = 3 * sum(p.numel() for p in model.parameters()) ** 0.5
    assert history.grad_norm == pytest.approx([expected] * 4)


def test_same_seed_same_weights_and_dropout_depends_on_the_seed() -> None:
    made = []
    for drawn_before, seed in ((3, 0), (4, 0), (4, 1)):
        model = line_model(dropout=0.5)
        torch.rand(drawn_before)  # the state of the global generator must not matter
        fit(model, batches(), mean_square, steps=12, seed=seed, progress=False)
        made.append(weights(model))
    assert torch.equal(made[0], made[1]) and not torch.equal(made[0], made[2])


def test_the_global_generator_is_put_back() -> None:
    model = line_model(dropout=0.5)
    torch.manual_seed(9)
    expected = torch.rand(4)
    torch.manual_seed(9)
    fit(model, batches(), mean_square, steps=3, progress=False)
    assert torch.equal(torch.rand(4), expected)


def test_long_gradients_are_shortened(monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = []
    step = torch.optim.AdamW.step

    def watch(self, *arguments, **named):  # type: ignore[no-untyped-def]
        parts = [p.grad.norm() for group in self.param_groups for p in group["params"]]
        lengths.append(float(torch.stack(parts).norm()))
        return step(self, *arguments, **named)

    monkeypatch.setattr(torch.optim.AdamW, "step", watch)

    def steep(model: nn.Module, batch: Batch) -> Tensor:
        return 100 * mean_square(model, batch)

    history = fit(line_model(), batches(), steep, steps=5, clip=0.25, progress=False)
    assert min(history.grad_norm) > 1  # recorded before clipping
    assert lengths == pytest.approx([0.25] * 5, rel=1e-4)
    lengths.clear()
    history = fit(line_model(), batches(), steep, steps=5, clip=None, progress=False)
    assert lengths == pytest.approx(history.grad_norm)


def test_validation_is_in_eval_mode_without_gradients_and_at_the_end() -> None:
    model = line_model(dropout=0.5)

    def validate(m: nn.Module) -> float:
        assert not m.training and not torch.is_grad_enabled()
        return float(mean_square(m, batches(1)[0]))

    model.eval()
    history = fit(
        model, batches(), mean_square, steps=7, validate=validate, every=3, progress=False
    )
    assert [step for step, _ in history.validation] == [3, 6, 7]
    assert not model.training  # left as it came
    with torch.no_grad():
        assert history.validation[-1][1] == pytest.approx(validate(model))


def test_dropout_is_on_while_training() -> None:
    modes = []

    def watch(model: nn.Module, batch: Batch) -> Tensor:
        modes.append(model.training)
        return mean_square(model, batch)

    model = line_model().eval()
    fit(model, batches(), watch, steps=3, validate=lambda m: 0.0, every=1, progress=False)
    assert modes == [True, True, True]


@given(steps=st.integers(1, 300), data=st.data())
def test_schedule_climbs_to_one_and_falls_to_the_floor(steps: int, data: st.DataObject) -> None:
    warmup = data.draw(st.integers(0, steps))
    floor = data.draw(st.floats(0, 1))
    rates = [schedule(s, steps, warmup=warmup, floor=floor) for s in range(steps)]
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert all(0 < r <= 1 or r == floor for r in rates)
    if warmup:
        assert rates[warmup - 1] == 1.0
    if steps - warmup >= 2:
        assert rates[warmup] == pytest.approx(1.0) and rates[-1] == pytest.approx(floor)


def test_schedule_by_hand() -> None:
    rates = [schedule(s, 7, warmup=2, floor=0.2) for s in range(7)]
    assert rates == pytest.approx([0.5, 1, 1, 0.2 + 0.8 * 0.853553, 0.6, 0.2 + 0.8 * 0.146447, 0.2])


def test_frozen_weights_stay() -> None:
    model = line_model()
    for p in model[0].parameters():  # type: ignore[index]
        p.requires_grad_(False)
    before = model[0].weight.clone()  # type: ignore[index]
    fit(model, batches(), mean_square, steps=3, progress=False)
    assert torch.equal(before, model[0].weight)  # type: ignore[index]


# --- bad input -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argument", "value", "message"),
    [
        ("steps", 0, r"steps: expected an integer of at least 1, got 0"),
        ("steps", 2.5, r"steps: expected an integer"),
        ("every", 0, r"every: expected an integer"),
        ("lr", 0.0, r"lr: expected a finite number above 0"),
        ("lr", float("inf"), r"lr: expected a finite number above 0"),
        ("clip", 0.0, r"clip: expected a number above 0, or None"),
        ("warmup", 6, r"warmup: expected 0 to steps = 5, got 6"),
    ],
)
def test_bad_arguments_are_named(argument: str, value: float, message: str) -> None:
    model = line_model()
    before = weights(model)
    with pytest.raises(ValueError, match=message):
        fit(model, batches(), mean_square, **{"steps": 5, "progress": False, argument: value})
    assert torch.equal(before, weights(model))


def test_a_loss_that_blows_up_names_the_step_and_leaves_the_weights() -> None:
    kept = []

    def breaks(model: nn.Module, batch: Batch) -> Tensor:
        kept.append(weights(model))
        loss = mean_square(model, batch)
        return loss * float("nan") if len(kept) == 4 else loss

    model = line_model().eval()
    with pytest.raises(FloatingPointError, match=r"loss is not finite at step 4 .*lower lr"):
        fit(model, batches(), breaks, steps=9, progress=False)
    assert torch.equal(weights(model), kept[-1]) and torch.isfinite(kept[-1]).all()
    assert not model.training


def test_a_gradient_that_blows_up_is_told_from_the_loss() -> None:
    def breaks(model: nn.Module, batch: Batch) -> Tensor:
        return (mean_square(model, batch) * 0).sqrt()  # value 0, slope infinite

    with pytest.raises(FloatingPointError, match=r"gradient is not finite at step 1"):
        fit(line_model(), batches(), breaks, steps=2, progress=False)


def test_batches_that_run_dry_and_losses_that_are_no_scalar() -> None:
    with pytest.raises(ValueError, match=r"batches: ran dry after 3 of them"):
        fit(line_model(), iter(batches(3)), mean_square, steps=5, progress=False)
    with pytest.raises(ValueError, match=r"ran dry after 0"):
        fit(line_model(), [], mean_square, steps=5, progress=False)
    with pytest.raises(ValueError, match=r"loss: expected a scalar tensor, got shape \(16, 1\)"):
        fit(line_model(), batches(), lambda m, b: m(b[0]), steps=1, progress=False)
    with pytest.raises(ValueError, match=r"loss: expected a scalar tensor, got 1.0"):
        fit(line_model(), batches(), lambda m, b: 1.0, steps=1, progress=False)  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match=r"model: no parameter asks for a gradient"):
        fit(nn.ReLU(), batches(), mean_square, steps=1, progress=False)


# --- the progress bar ------------------------------------------------------------------------


def test_without_a_terminal_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    fit(line_model(), batches(), mean_square, steps=3)
    assert capfd.readouterr() == ("", "")


def test_a_bar_in_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tqdm", reason="tqdm draws the bar")
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    fit(line_model(), batches(), mean_square, steps=3)
    assert "training" in capsys.readouterr().err
    fit(line_model(), batches(), mean_square, steps=3, progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_variable_hides_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tqdm", reason="tqdm draws the bar")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TQDM_DISABLE", "1")
    assert training._progress_bar(3) is None
    monkeypatch.setenv("TQDM_DISABLE", "0")
    bar = training._progress_bar(3)
    assert bar is not None
    bar.close()


def test_no_bar_where_its_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(training, "find_spec", lambda name: None)
    assert training._progress_bar(3) is None
    shell = SimpleNamespace(kernel=1)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setattr(training, "find_spec", lambda name: None if name == "ipywidgets" else 1)
    assert training._progress_bar(3) is None


# --- checkpoints -----------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors files")
    path = tmp_path / "line.safetensors"
    save_checkpoint(path, line_model(), steps=7, seed=3, figure="loss 0.1", sizes=[3, 8, 1])
    return path


def test_a_checkpoint_comes_back_with_its_note(saved: Path, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Identity(), nn.Linear(8, 1))
    note = load_checkpoint(saved, model)
    assert torch.equal(weights(model), weights(line_model()))
    assert (note["steps"], note["seed"], note["figure"], note["sizes"]) == (
        7,
        3,
        "loss 0.1",
        [3, 8, 1],
    )
    assert note["torch"] == torch.__version__
    again = tmp_path / "again.safetensors"
    save_checkpoint(again, model, steps=7, seed=3, figure="loss 0.1", sizes=[3, 8, 1])
    assert again.read_bytes() == saved.read_bytes()


def test_half_precision_on_disk_is_widened_again(saved: Path, tmp_path: Path) -> None:
    small = tmp_path / "half.safetensors"
    save_checkpoint(small, line_model(), steps=7, seed=3, figure="", dtype=torch.float16)
    model = line_model()
    load_checkpoint(small, model)
    assert model[0].weight.dtype == torch.float32  # type: ignore[index]
    assert torch.equal(weights(model), weights(line_model()).half().float())
    assert small.stat().st_size < saved.stat().st_size


def test_counters_stay_integers_and_tied_weights_are_kept(tmp_path: Path) -> None:
    model = nn.Sequential(
        nn.Linear(4, 4, bias=False), nn.BatchNorm1d(4), nn.Linear(4, 4, bias=False)
    )
    model[2].weight = model[0].weight
    model[1].num_batches_tracked += 4097  # type: ignore[operator]  # no float16 is 4097
    path = tmp_path / "tied.safetensors"
    save_checkpoint(path, model, steps=1, seed=0, figure="", dtype=torch.float16)
    model[1].num_batches_tracked += 5  # type: ignore[operator]
    load_checkpoint(path, model)
    assert int(model[1].num_batches_tracked) == 4097  # type: ignore[arg-type]
    assert model[2].weight is model[0].weight


def test_another_model_is_refused_by_name(saved: Path) -> None:
    with pytest.raises(ValueError, match=r"of line.safetensors: .*0.weight \(8, 3\) for \(9, 3\)"):
        load_checkpoint(
            saved, nn.Sequential(nn.Linear(3, 9), nn.Tanh(), nn.ReLU(), nn.Linear(9, 1))
        )
    with pytest.raises(ValueError, match=r"3.bias, 3.weight"):
        load_checkpoint(saved, nn.Sequential(nn.Linear(3, 8)))


@settings(max_examples=50)
@given(cut=st.floats(0, 0.99), noise=st.binary(max_size=40))
def test_a_broken_file_is_a_clear_error(cut: float, noise: bytes) -> None:
    pytest.importorskip("safetensors", reason="checkpoints are safetensors files")
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.safetensors"
        save_checkpoint(path, line_model(), steps=1, seed=0, figure="")
        whole = path.read_bytes()
        broken = whole[: int(cut * len(whole))] + noise
        assume(len(broken) != len(whole))  # at the full length it may be a file with other weights
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"x.safetensors is not a whole safetensors file"):
            load_checkpoint(path, line_model())
        path.write_bytes(noise)
        with pytest.raises(ValueError, match="not a whole safetensors file"):
            load_checkpoint(path, line_model())


def test_without_safetensors_the_command_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "safetensors.torch", None)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match="pip install safetensors"):
        save_checkpoint(tmp_path / "x", line_model(), steps=1, seed=0, figure="")
    (tmp_path / "y").write_bytes(b"")
    with pytest.raises(ImportError, match="pip install safetensors"):
        load_checkpoint(tmp_path / "y", line_model())
