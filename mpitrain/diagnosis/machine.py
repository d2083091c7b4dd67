"""Is the machine and its Python environment fit? Each check is a pure function of the report."""

from collections.abc import Mapping

from mpitrain.diagnosis.report import FAIL, NOTE, OK, Judgement, Report, short

MIB = 1 << 20
ROOM_NEEDED, ROOM_WISHED = 128 * MIB, 1024 * MIB
"""Of /dev/shm: containers often have 64 MiB, which one window of a middling model exceeds."""


def python(report: Report) -> Judgement:
    return OK, f"{report.here['python']} ({report.here['executable']})"


def packages(report: Report) -> Judgement:
    found: Mapping[str, str | None] = report.here["packages"] or {}
    missing = [name for name, version in found.items() if version is None]
    if missing or not found:
        return FAIL, f"missing: {', '.join(missing) or 'mpitrain itself'}", "install mpitrain anew: pip install ."
    return OK, ", ".join(f"{name} {version}" for name, version in found.items())


def room(report: Report) -> Judgement:
    rooms = [facts["shared_room"] for facts in report.ranks]
    if None in rooms:
        return (
            FAIL,
            f"not there: {short(report.here['faults'].get('shared_room', 'on another rank'))}",
            "mount a tmpfs there",
        )
    least = min(rooms, key=lambda room: room["free"])
    text = f"{_size(least['free'])} free of {_size(least['total'])}"
    mend = "clear what old jobs left in /dev/shm, or enlarge it (docker run --shm-size=4g)"
    if least["free"] < ROOM_NEEDED:
        return FAIL, text, mend
    return (NOTE, text, mend) if least["free"] < ROOM_WISHED else (OK, text)


def cores(report: Report) -> Judgement:
    facts = report.here
    text = f"{facts['cores']} for this process, of {facts['machine_cores']} hardware threads"
    node = [other for other in report.ranks if other["host"] == facts["host"]]
    if len(report.ranks) == 1:
        return OK, text
    allowed = {thread for other in node for thread in other["bound_to"]}
    text = f"{len(node)} ranks on {facts['host']} may use {len(allowed)} of {facts['machine_cores']} hardware threads"
    if len(node) > len(allowed):
        bound = "mpirun --bind-to none, or SLURM's --cpus-per-task, gives the others too"
        few = "more ranks than cores: waiting ranks yield, and none computes at full speed"
        return NOTE, text, bound if len(allowed) < facts["machine_cores"] else few
    return OK, text


def slurm(report: Report) -> Judgement:
    job = report.here["slurm"] or {}
    if "SLURM_JOB_ID" not in job:
        return OK, "not inside an allocation"
    told = {"SLURM_JOB_NUM_NODES": "nodes", "SLURM_NTASKS": "tasks", "SLURM_CPUS_PER_TASK": "cores a task"}
    parts = [f"{job[name]} {what}" for name, what in told.items() if name in job]
    return OK, ", ".join([f"job {job['SLURM_JOB_ID']}", *parts])


def blas(report: Report) -> Judgement:
    pools = report.here["blas"]
    if not pools:
        fault = report.here["faults"].get("blas", "NumPy has none, and multiplies slowly")
        return FAIL, short(fault), "pip install --force-reinstall numpy"
    text = ", ".join(f"{pool['name']} {pool['version']}, {pool['threads']} threads" for pool in pools)
    variables = ", ".join(f"{name}={value}" for name, value in (report.here["thread_variables"] or {}).items())
    return OK, f"{text} ({variables or 'training holds it to the cores a rank has'})"


def halves(report: Report) -> Judgement:
    missing = {"float16", "bfloat16"} - set(report.here["halves"] or [])
    if missing:
        fault = report.here["faults"].get("halves", "wrong sums")
        return FAIL, f"{', '.join(sorted(missing))}: {short(fault)}", "pip install --upgrade numpy ml_dtypes"
    return OK, "float16 and bfloat16 add"


def curves(report: Report) -> Judgement:
    version = report.here["matplotlib"]
    if version is None:
        return NOTE, "matplotlib is not installed: runs have no curves.svg", 'pip install "mpitrain[plot]"'
    return OK, f"matplotlib {version}"


def _size(nbytes: int) -> str:
    return f"{nbytes / (1 << 30):.1f} GiB" if nbytes >= 1 << 30 else f"{nbytes / MIB:.0f} MiB"
