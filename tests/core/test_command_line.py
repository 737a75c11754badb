import json
import re

import pytest
import torch

from fbseg_core import load
from fbseg_core.__main__ import main
from fbseg_core.checkpoint import load_training
from fbseg_core.settings import ConfigError
from fbseg_core.training.fit import fit

TINY = [
    "--model.width",
    "4",
    "--model.depth",
    "1",
    "--task.side",
    "16",
    "--images",
    "4",
    "--train.batch",
    "2",
]


def test_train_eval_and_info(tmp_path, capsys):
    out = tmp_path / "a.safetensors"
    arguments = ["--train.examples", "0", "--train.updates", "3", "--task.sides", "4", "0"]
    assert main(["train", "shapes-matched", "--out", str(out), *TINY, *arguments]) == 0
    _, card = load(out)
    assert card.updates == 3 and card.task.sides == (4, 0) and len(card.f1) == 31
    assert card.protocol == "matched (examples 0, updates 3)"
    capsys.readouterr()
    assert main(["eval", str(out), "--images", "4", "--curve", "--switches.loop", "False"]) == 0
    assert "t=30" in capsys.readouterr().out
    assert main(["info", str(out)]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["width"] == 4


def test_training_goes_on_from_the_weights_of_a_checkpoint_on_other_images(tmp_path, capsys):
    first, out = tmp_path / "first.safetensors", tmp_path / "out.safetensors"
    run = ["train", "grouping-settling", *TINY, "--train.updates", "1"]
    assert main([*run, "--out", str(first)]) == 0
    larger = [*run, "--out", str(out), "--weights", str(first), "--task.side", "24", "--train.lr", "0"]
    assert main(larger) == 0
    (one, _), (other, card) = load(first), load(out)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))
    assert card.task.side == 24 and card.protocol.endswith(", from the weights of first")
    assert main([*larger, "--model.u", "3"]) == 2
    assert "weights: 'first' is a model of another shape." in capsys.readouterr().err


def test_what_was_learned_is_kept_where_scoring_fails_and_is_scored_by_going_on(tmp_path, monkeypatch):
    out = tmp_path / "a.safetensors"
    run = ["train", "grouping-settling", "--out", str(out), *TINY, "--train.updates", "2"]

    def full(*arguments):
        raise ConfigError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr("fbseg_core.commands.score.evaluate", full)
        assert main(run) == 2
    assert not out.exists() and load_training(out.with_suffix(".training")).update == 2
    assert main([*run, "--resume"]) == 0
    assert load(out)[1].updates == 2 and not out.with_suffix(".training").exists()


def test_stopped_by_hand_keeps_what_was_learned_and_resumes(tmp_path, monkeypatch):
    out = tmp_path / "a.safetensors"
    run = ["train", "grouping-settling", "--out", str(out), *TINY, "--train.updates", "4"]
    run += ["--task.winding", "0.3"]

    def interrupted(*arguments):
        for progress in fit(*arguments):
            yield progress
            if progress.update == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr("fbseg_core.commands.train.fit", interrupted)
    assert main(run) == 0
    assert load(out)[1].updates == 2 and out.with_suffix(".training").exists()
    monkeypatch.setattr("fbseg_core.commands.train.fit", fit)
    assert main([*run, "--resume"]) == 0
    stopped = load(out)[1]
    assert stopped.updates == 4 and not out.with_suffix(".training").exists()
    assert main(run) == 0
    assert load(out)[1].digest == stopped.digest


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["eval", "nothing"], "nothing"),
        (["eval", "shapes-feedback", "--sigma", "99"], "sigma"),
        (["train", "shapes-paper", "--out", "model.pt"], "safetensors"),
    ],
)
def test_refusals_are_one_sentence(arguments, word, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err.strip()
    assert word in error and "\n" not in error


def test_help_lists_every_command_with_a_line(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out.replace("│", " ")
    # a sentence that needs no second line
    listed = re.findall(r"^ *• (\w+) +([A-Z].*\.) *$", text, re.MULTILINE)
    assert [name for name, _ in listed] == ["train", "eval", "info", "bench", "experiment"]
    for name, _ in listed:
        with pytest.raises(SystemExit) as ended:
            main([name, "--help"])
        assert ended.value.code == 0 and f"fbseg_core {name}" in capsys.readouterr().out


def test_help_tells_every_setting_with_its_range(capsys):
    with pytest.raises(SystemExit):
        main(["train", "shapes-paper", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "late steps still correct it. [0.05 to 1000 steps]" in text


def test_eval_tells_each_class_where_there_are_more_than_two(tmp_path, capsys):
    out = tmp_path / "many.safetensors"
    kinds = [
        "--train.examples",
        "0",
        "--train.updates",
        "2",
        "--task.sides",
        "3",
        "0",
        "--task.multiclass",
    ]
    assert main(["train", "shapes-matched", "--out", str(out), *TINY, *kinds]) == 0
    capsys.readouterr()
    assert main(["eval", str(out), "--images", "6", "--device", "auto"]) == 0
    device, pooled, *classes, mean = capsys.readouterr().out.splitlines()
    assert device.startswith("device: ") and pooled.startswith("many: pooled F1 t=1:")
    assert [line.split()[0] for line in classes] == ["background", "triangle", "circle"]
    assert all(
        re.fullmatch(r"(t=\d+: F1 (\d\.\d{3}|  –  ) IoU (\d\.\d{3}|  –  )\s*){3}", line.split(None, 1)[1])
        for line in classes
    )
    assert [float(v) for v in re.findall(r"F1 (\d\.\d{3})", mean)] == [
        float(v) for v in re.findall(r"t=\d+: (\d\.\d{3})", pooled)
    ]


def test_eval_prints_one_line_for_two_classes(capsys):
    assert main(["eval", "grouping-feedforward", "--images", "2"]) == 0
    device, line = capsys.readouterr().out.splitlines()
    assert device == "device: cpu" and line.startswith("grouping-feedforward: pooled F1 t=1: ")
    assert re.search(r"  chance 0\.\d{3}  mark every region 0\.\d{3}  \(2 images, sigma 0\.2 ", line)
