"""Rules for Open MPI's coll/tuned, in the file format that its `coll_tuned_dynamic_rules_filename` names.

    rule-file-version-2
    how many collectives; for each its id
      how many sizes of communicators; for each the size from which on it counts
        how many message sizes; for each
          bytes from which on it counts, algorithm, fan-out, bytes of a segment

The first message size must be 0. Algorithm 0 is the library's own decision; so are all communicators here but those of
the sizes that were measured. Bytes are those of the whole buffer, as ours are. Scans are left out, since the library
looks their rules up by a size that says nothing of the data.

We measure the library's own algorithms, each by force, rather than map ours to them by name: a loop in C and one in
Python with the same steps change places at different sizes.

    ompi/mca/coll/tuned/coll_tuned_dynamic_file.c, Open MPI 5.0
"""

import re
from collections.abc import Iterable
from math import sqrt
from typing import NamedTuple

from mpitrain.tuning.measured import Measured, PlaceTable

COLLECTIVE_IDS = {
    "allgather": 0,
    "allreduce": 2,
    "alltoall": 3,
    "barrier": 6,
    "bcast": 7,
    "gather": 9,
    "reduce": 11,
    "reduce_scatter": 12,
    "scatter": 15,
}
"""Their place in the library's enumeration (coll_base_functions.h)."""

WORTH_A_RULE = 0.97
"""An algorithm that takes more than this share of the time of the library's own decision is not worth a rule."""


class LibraryAlgorithm(NamedTuple):
    """One of coll/tuned's: its number, its name, and bytes of a segment, 0 for whole data."""

    number: int
    name: str
    segment: int = 0

    def __str__(self) -> str:
        return f"{self.name}({self.number}{f', segment={self.segment}' if self.segment else ''})"

    @classmethod
    def of(cls, text: str) -> "LibraryAlgorithm":
        """From its text. `ValueError` for another."""
        match = re.fullmatch(r"(\w+)\((\d+)(?:, segment=(\d+))?\)", text)
        if match is None:
            raise ValueError(f"{text!r}: expected such as ring(4) or pipeline(3, segment=32768)")
        return cls(int(match[2]), match[1], int(match[3] or 0))


FIXED = LibraryAlgorithm(0, "library")


def rules(tables: Iterable[PlaceTable]) -> str:
    """The file's text, from all places on which the library's algorithms were measured. Of places that have as many
    ranks, the last counts."""
    found: dict[str, dict[int, Measured]] = {}
    for table in tables:
        for collective, measured in table.library_algorithms.items():
            found.setdefault(collective, {})[table.place.ranks] = measured
    lines = ["rule-file-version-2", f"{len(found)} # collectives"]
    for collective, by_ranks in sorted(found.items()):
        lines += [f"{COLLECTIVE_IDS[collective]} # {collective}", *_communicators(by_ranks)]
    return "\n".join(lines) + "\n"


def _communicators(by_ranks: dict[int, Measured]) -> list[str]:
    """From so many ranks on; sizes in between and beyond are the library's own affair."""
    sizes: dict[int, list[str]] = {0: _messages([(0, FIXED)])}
    for ranks, measured in sorted(by_ranks.items()):
        sizes[ranks] = _messages(_best(measured))
        sizes[ranks + 1] = _messages([(0, FIXED)])
    lines = [f"{len(sizes)} # sizes of communicators"]
    for ranks, messages in sorted(sizes.items()):
        lines += [f"{ranks} # ranks", *messages]
    return lines


def _messages(best: list[tuple[int, LibraryAlgorithm]]) -> list[str]:
    lines = [f"{len(best)} # message sizes"]
    return lines + [f"{start} {a.number} 0 {a.segment} # from {start} bytes on {a}" for start, a in best]


def _best(measured: Measured) -> list[tuple[int, LibraryAlgorithm]]:
    """From how many bytes on which algorithm: the border between two sizes is their geometric mean."""
    rows: list[tuple[int, LibraryAlgorithm]] = []
    for at, nbytes in enumerate(measured.nbytes):
        times = {LibraryAlgorithm.of(way.algorithm): seconds[at] for way, seconds in measured.seconds.items()}
        best = min(times, key=lambda algorithm: times[algorithm])
        if FIXED in times and times[best] > WORTH_A_RULE * times[FIXED]:
            best = FIXED
        if not rows:
            rows.append((0, best))
        elif rows[-1][1] != best:
            rows.append((round(sqrt(measured.nbytes[at - 1] * nbytes)), best))
    return rows
