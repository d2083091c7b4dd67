"""curves.svg: loss and accuracy over the steps, if matplotlib is installed (extra [plot])."""

from importlib.util import find_spec
from io import BytesIO

from mpitrain.training.run_folder import RunFolder, write_whole


def draw_curves(folder: RunFolder) -> bool:
    """Draw the run's metrics; False if matplotlib is not there."""
    if find_spec("matplotlib") is None:
        return False
    from matplotlib.figure import Figure

    lines = folder.read_metrics()
    steps = [line for line in lines if line["kind"] == "step"]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    loss.plot([s["step"] for s in steps], [s["loss"] for s in steps], color="0.75", lw=0.8, label="training, a step")
    at = [e["step"] for e in epochs]
    loss.plot(at, [e["train_loss"] for e in epochs], "o-", ms=3, label="training, an epoch")
    loss.plot(at, [e["test_loss"] for e in epochs], "o-", ms=3, label="held out")
    loss.set(xlabel="step", ylabel="loss", ylim=(0, None))
    accuracy.plot(at, [100 * e["train_accuracy"] for e in epochs], "o-", ms=3, color="C0", label="training")
    accuracy.plot(at, [100 * e["test_accuracy"] for e in epochs], "o-", ms=3, color="C1", label="held out")
    accuracy.set(xlabel="step", ylabel="accuracy, %")
    for axes in (loss, accuracy):
        axes.legend(frameon=False)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    picture = BytesIO()
    figure.savefig(picture, format="svg")
    write_whole(folder.curves, picture.getvalue())
    return True
