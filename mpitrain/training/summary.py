"""The run in numbers: what summary.json holds, and the table that rank 0 shows at the end."""

import hashlib
import statistics
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from mpitrain.array import to_host
from mpitrain.models.task import Score
from mpitrain.parallel.rows import rows
from mpitrain.training.timeline import Timeline
from mpitrain.training.trainer import Evaluation, Trainer


def digest(values: Any) -> str:
    """SHA-256 of the parameters, as 64 hexadecimal digits."""
    return hashlib.sha256(to_host(values).tobytes()).hexdigest()


def replicas_alike(trainer: Trainer) -> bool:
    """Whether all ranks hold the same bits. Collective."""
    own = np.frombuffer(bytes.fromhex(digest(trainer.values)), np.uint8)
    return bool((rows(trainer.world, own) == own).all())


def summarise(
    trainer: Trainer, timeline: Timeline, training_loss: float, held_out: Evaluation, seconds: float
) -> dict[str, Any]:
    """Rates and seconds are of this process's part of the run, if it was resumed. Collective."""
    world, shares, score, memory = trainer.world, timeline.total, trainer.task.score, trainer.device.memory()
    return {
        f"test_{score.key}": held_out.score,
        "test_loss": held_out.loss,
        "train_loss": training_loss,
        "samples_per_second": timeline.samples / sum(timeline.step_seconds),
        "step_seconds": statistics.median(timeline.step_seconds),
        "communication_share": shares.communication_share,
        "computing_seconds": shares.computing,
        "communicating_seconds": shares.communicating,
        "waiting_seconds": shares.waiting,
        "slowest_rank": shares.slowest,
        "total_seconds": seconds,
        "network": None if trainer.config.virtual is None else trainer.config.network or "flat",
        "steps": trainer.done,
        "epochs": trainer.done / trainer.steps_an_epoch,
        "ranks": world.size,
        "global_batch": trainer.global_batch,
        "parameters": trainer.layout.count,
        "device": str(trainer.device),
        "precision": trainer.config.precision,
        "skipped_steps": trainer.update.skipped,
        "device_bytes_used": memory and memory.used,
        "device_bytes_taken": memory and memory.total,
        "algorithm": trainer.strategy.algorithms,
        "algorithm_why": "; ".join(dict.fromkeys(plan.why for plan in trainer.strategy.plans)),
        "engine": trainer.strategy.engines,
        "replicas_alike": replicas_alike(trainer),
        "parameters_sha256": digest(trainer.values),
    }


def show(console: Console, summary: dict[str, Any], folder: str, score: Score) -> None:
    """The table at the end."""
    total = sum(summary[f"{part}_seconds"] for part in ("computing", "communicating", "waiting")) or 1.0

    def spent(part: str) -> str:
        seconds = summary[f"{part}_seconds"]
        return f"{seconds:{'.2f' if summary['network'] is None else '.3g'}} s ({seconds / total:.0%})"

    table = Table(show_header=False, title="summary", title_justify="left", title_style="bold")
    alike = "identical on all ranks" if summary["replicas_alike"] else "NOT identical on all ranks"
    alone, network = summary["ranks"] == 1, summary["network"]
    for name, value in (
        (f"held-out {score.label}", score.shown(summary[f"test_{score.key}"])),
        ("training loss", f"{summary['train_loss']:#.4g}"),
        ("samples/s", f"{summary['samples_per_second']:,.0f}"),
        ("ranks", f"{summary['ranks']}, global batch {summary['global_batch']}"),
        ("predicted time", f"{summary['total_seconds']:.4g} s on network {network}" if network else ""),
        ("steps", f"{summary['steps']}, median {summary['step_seconds'] * 1e3:.2f} ms"),
        ("computing", spent("computing")),
        ("communicating", "" if alone else spent("communicating")),
        ("waiting", "" if alone else f"{spent('waiting')}, mostly for rank {summary['slowest_rank']}"),
        ("allreduce", "" if alone else f"{summary['algorithm']} ({summary['algorithm_why']})"),
        ("engine", summary["engine"]),
        ("device", _device(summary)),
        ("parameters", f"{summary['parameters']:,}{'' if alone else f', {alike}'}"),
        ("their SHA-256", summary["parameters_sha256"][:16] + "..."),
        ("run folder", folder),
    ):
        if value:
            table.add_row(name, value)
    console.print(table)


def _device(summary: dict[str, Any]) -> str:
    """The device and its numbers; nothing about the CPU in float32, which goes without saying."""
    if summary["device_bytes_used"] is None:
        memory = ""
    else:
        used, taken = (summary[f"device_bytes_{what}"] / 2**20 for what in ("used", "taken"))
        memory = f", {used:,.0f} MiB of memory in use, {taken:,.0f} MiB taken"
    skipped = f", {summary['skipped_steps']} steps skipped" if summary["skipped_steps"] else ""
    plain = not memory and summary["precision"] == "fp32"
    return "" if plain else f"{summary['device']}, {summary['precision']}{skipped}{memory}"
