"""curves.svg: loss and score over the steps, if matplotlib is installed (extra [plot])."""

from importlib.util import find_spec
from io import BytesIO

from mpitrain.models.task import Score
from mpitrain.training.run_folder import RunFolder, write_whole


def draw_curves(folder: RunFolder, score: Score) -> bool:
    """Draw the run's metrics; False if matplotlib is not there."""
    if find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure

    lines = folder.read_metrics()
    steps = [line for line in lines if line["kind"] == "step"]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, judged = figure.subplots(1, 2)
    loss.plot([s["step"] for s in steps], [s["loss"] for s in steps], color="0.75", lw=0.8, label="training, a step")
    at = [e["step"] for e in epochs]
    loss.plot(at, [e["train_loss"] for e in epochs], "o-", ms=3, label="training, an epoch")
    loss.plot(at, [e["test_loss"] for e in epochs], "o-", ms=3, label="held out")
    loss.set(xlabel="step", ylabel="loss", ylim=(0, None))
    factor, unit = (100, ", %") if score.text.endswith("%") else (1, f", {score.unit.strip()}" if score.unit else "")
    for part, color, label in (("train", "C0", "training"), ("test", "C1", "held out")):
        judged.plot(at, [factor * e[f"{part}_{score.key}"] for e in epochs], "o-", ms=3, color=color, label=label)
    judged.set(xlabel="step", ylabel=f"{score.label}{unit}")
    for axes in (loss, judged):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    picture = BytesIO()
    figure.savefig(picture, format="svg")
    write_whole(folder.curves, picture.getvalue())
    return True
