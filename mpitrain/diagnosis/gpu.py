"""What GPUs there are, and how data on them reach other ranks. Each check is a pure function of the report."""

from mpitrain.diagnosis.report import FAIL, NOTE, OK, Judgement, Report, short


def gpu(report: Report) -> Judgement:
    card, cupy, faults = report.here["gpu"], report.here["cupy"], report.here["faults"]
    if cupy:
        return OK, f"{cupy['count']} x {', '.join(cupy['names'])}, by CuPy {cupy['version']}"
    if "cupy" in faults:
        return FAIL, f"CuPy does not work: {short(faults['cupy'])}", "CuPy and the driver must be of one CUDA version"
    if card:
        return NOTE, f"{card}, but CuPy is not installed: CPU only", 'pip install "mpitrain[cuda]"'
    return OK, 'CuPy is not installed: CPU only (with an NVIDIA GPU: pip install "mpitrain[cuda]")'


def between(report: Report) -> Judgement | None:
    """The transport that `engines.transport` would take, and why; nothing to say of a machine without GPUs."""
    cupy, obstacle, faults = report.here["cupy"], report.here["cuda_aware"], report.here["faults"]
    if not cupy:
        return None
    if "cuda_aware" in faults:
        obstacle = faults["cuda_aware"]
    mpi = "MPI takes addresses of GPUs" if not obstacle else f"MPI does not take addresses of GPUs ({short(obstacle)})"
    if cupy["nccl"] is not None:
        return OK, f"nccl: NCCL {_version(cupy['nccl'])}; {mpi}"
    missing = f"CuPy finds no NCCL ({short(cupy['nccl_fault'])})"
    mend = 'pip install "nvidia-nccl-cu13", or the one of your CUDA version'
    return NOTE, f"{'staged, through the host' if obstacle else 'cuda_aware'}: {missing}; {mpi}", mend


def _version(number: int) -> str:
    """As NCCL numbers its versions since 2.9: 22809 is 2.28.9."""
    return f"{number // 10000}.{number // 100 % 100}.{number % 100}"
