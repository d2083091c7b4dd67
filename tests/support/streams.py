"""Streams and events that know what must have come before: not when something is done, but after what it is sure to be.

`stream.do(label)` is a piece of work, and gives the labels of all that comes before it for certain.
"""

from types import SimpleNamespace


class Stream:
    def __init__(self, streams):
        self._streams, self.before, self.ptr = streams, set(), 0

    def __enter__(self):
        self._streams.append(self)
        return self

    def __exit__(self, *failure):
        self._streams.pop()

    def do(self, label):
        before = frozenset(self.before)
        self.before.add(label)
        return before

    def wait_event(self, event):
        self.before |= event.before

    def synchronize(self):
        pass


class Event:
    """`done` once it is set so: work takes its time."""

    def __init__(self):
        self.before, self.done, self.waited = set(), True, 0

    def record(self, stream):
        self.before = set(stream.before)

    def synchronize(self):
        self.waited += 1
        self.done = True


def device():
    """Something like CuPy with nothing but streams; `caller` is the stream that is the current one at first."""
    streams = []
    caller = Stream(streams)
    streams.append(caller)
    cuda = SimpleNamespace(
        Stream=lambda non_blocking: Stream(streams),
        Event=Event,
        get_current_stream=lambda: streams[-1],
        get_elapsed_time=lambda start, end: 0.0,
    )
    return SimpleNamespace(cuda=cuda), caller
