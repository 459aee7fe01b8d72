"""Requests -> the replies of several child processes, in the order of the requests; a child's death costs at most one.

A child is `python -m MODULE`: it reads its settings as one line of JSON and says that it is ready; then it reads one
request per line and answers each with one line. It ends when its stdin is closed, so it does not outlive its parent.
Nothing is pickled. A request whose child died is tried once more, in a new child. So a child that was killed by chance
costs no reply, and a request that kills every child costs only its own reply.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from thyrosight.errors import BundleError, ConfigError, InputError, MissingExtraError, ThyrosightError

Json = dict[str, Any]
MAX_TRIES = 2
REQUESTS_AHEAD = 8
"""For each child, this many requests may begin before the oldest reply is taken; it limits the memory of replies."""
END_SECONDS = 20.0
"""Seconds after its stdin was closed at which a child that still runs is killed."""
OBJECTS_PER_SEARCH = 100_000
"""Number of new objects after which Python searches them for reference cycles. The modules of a prediction make about
as many while they load, and all of them stay. With Python's default of 700 it would search 150 times."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
"""Environment of a child: there is one child per core. Else each one's NumPy and OpenCV start a thread per core."""
FAULTS = {kind.__name__: kind for kind in (BundleError, ConfigError, InputError, MissingExtraError)}
"""The errors with which a child may refuse its settings: {name: class}. The parent raises the same error."""


def replies(module: ModuleType, settings: Json, requests: Iterable[Json], number: int) -> Generator[Json, None, None]:
    """Module of the child's program, settings for it, requests, number of children -> one reply per request, in order.

    A request whose child died is sent to a second child. If that dies too, the reply is {"died": the reason in words}.
    InputError where no child can be started. Where a child refuses the settings, its error is raised here. The children
    end when the iterator is closed.
    """
    work = _Work(iter(requests), number * REQUESTS_AHEAD)
    threads = [threading.Thread(target=_attend, args=(module, settings, work), daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield from work.in_order()
    finally:
        work.stop()
        for thread in threads:
            thread.join()


def serve(load: Callable[[Json], Callable[[Json], Json]]) -> None:
    """The child's side: load(settings) -> answer; answer(request) -> reply. Returns when the parent closes stdin.

    Ctrl-C reaches all processes of a terminal. A child ignores it: it finishes its request, and its parent ends it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.set_threshold(OBJECTS_PER_SEARCH, 10, 10)
    requests, replies_to = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not reach the replies
    try:
        try:
            answer = load(json.loads(requests.readline()))
        except ThyrosightError as error:
            _send(replies_to, {"refused": str(error), "kind": type(error).__name__})
            return
        gc.freeze()  # what is loaded stays: searches for cycles look at what a request makes
        _send(replies_to, {"ready": True})
        while line := requests.readline():
            _send(replies_to, answer(json.loads(line)))
    except BrokenPipeError:
        os._exit(1)  # the parent is gone


def _send(stream: Any, content: Json) -> None:
    stream.write(json.dumps(content).encode() + b"\n")
    stream.flush()


class _Work:
    """Requests to do and replies to take. All threads share it; each thread serves one child."""

    def __init__(self, requests: Iterator[Json], max_open: int) -> None:
        self._requests, self._max_open = requests, max_open
        self._changed = threading.Condition()
        self._replies: dict[int, Json] = {}
        self._num_begun = self._num_taken = 0
        self._is_over = False
        self._fault: BaseException | None = None

    def next(self) -> tuple[int, Json] | None:
        """Waits until the next request may begin -> (its number, the request); None where there is no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_over or self._num_begun < self._num_taken + self._max_open)
            if self._is_over:
                return None
            try:
                request = next(self._requests)
            except StopIteration:
                self._is_over = True
                self._changed.notify_all()
                return None
            except BaseException as error:
                self._stop(error)
                return None
            self._num_begun += 1
            return self._num_begun - 1, request

    def put(self, index: int, reply: Json) -> None:
        with self._changed:
            self._replies[index] = reply
            self._changed.notify_all()

    def stop(self, fault: BaseException | None = None) -> None:
        with self._changed:
            self._stop(fault)

    def _stop(self, fault: BaseException | None) -> None:
        self._is_over, self._fault = True, self._fault or fault
        self._changed.notify_all()

    def in_order(self) -> Iterator[Json]:
        while True:
            with self._changed:
                self._changed.wait_for(self._has_news)
                if self._fault is not None:
                    raise self._fault
                reply = self._replies.pop(self._num_taken, None)
                if reply is None:
                    return
                self._num_taken += 1
                self._changed.notify_all()
            yield reply

    def _has_news(self) -> bool:
        is_done = self._is_over and self._num_taken == self._num_begun
        return self._fault is not None or self._num_taken in self._replies or is_done


def _attend(module: ModuleType, settings: Json, work: _Work) -> None:
    """One thread: keeps a child alive and gives it requests until there are none."""
    child: _Child | None = None
    try:
        while (item := work.next()) is not None:
            index, request = item
            for _ in range(MAX_TRIES):
                child = child or _started(module, settings)
                reply = child.ask(request)
                if "died" not in reply:
                    break
                child = None
            work.put(index, reply)
    except BaseException as error:
        work.stop(error)
    finally:
        if child is not None:
            child.end()


class _NotStartedError(InputError):
    """A child ended before it was ready."""


def _started(module: ModuleType, settings: Json) -> _Child:
    """-> a child that is ready. If a child ends before it is ready, one more is started."""
    try:
        return _Child(module, settings)
    except _NotStartedError:
        return _Child(module, settings)


class _Child:
    """One child process that is ready for requests."""

    def __init__(self, module: ModuleType, settings: Json) -> None:
        environment = os.environ | ONE_THREAD
        home = str(Path(__file__).resolve().parents[1])
        environment["PYTHONPATH"] = os.pathsep.join([home, *(part for part in sys.path if part)])
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", module.__name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        answer = self.ask(settings)
        if "refused" in answer:
            self.end()
            raise FAULTS.get(answer["kind"], ThyrosightError)(answer["refused"])
        if "ready" not in answer:
            raise _NotStartedError(f"no child process starts ({answer['died']}); free memory, or pass --threads 1")

    def ask(self, request: Json) -> Json:
        """Request -> the child's reply, or {"died": how} if this child has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            _send(self._process.stdin, request)
            if (line := self._process.stdout.readline()).endswith(b"\n"):
                return dict(json.loads(line))
        except OSError:
            pass
        self._process.kill()
        code = self._process.wait()
        self._close()
        return {"died": f"signal {-code}" if code < 0 else f"code {code}"}

    def end(self) -> None:
        """Closes the child's stdin, so that it ends by itself; kills it where it still runs after END_SECONDS."""
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
