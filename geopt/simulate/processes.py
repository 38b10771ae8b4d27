"""Scenes side by side: which scene is made by which process changes nothing in it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

Work = Callable[[str, Callable[[], None]], None]
"""Makes the scene of a name and calls the function after each scan."""


def default_workers() -> int:
    """As many as this process may use processors."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(work: Work, names: Sequence[str], workers: int, tick: Callable[[], None]) -> None:
    """Make all scenes.

    Args:
        work: Can be pickled if there is more than one worker.
        workers: Processes; with 1 the work is done in this one.
        tick: Called in this process after each scan.

    Raises:
        RuntimeError: a process died.
        Exception: whatever ``work`` raises.
    """
    if min(workers, len(names)) <= 1:
        for name in names:
            work(name, tick)
        return
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads of torch and of the ray caster
    waiting = deque(names)
    processes: dict[Connection, BaseProcess] = {}
    try:
        for _ in range(min(workers, len(names))):
            here, there = context.Pipe()
            process: BaseProcess = context.Process(target=_serve, args=(there, work), daemon=True)
            process.start()
            there.close()  # so that the end of the process is the end of the pipe
            processes[here] = process
            here.send(waiting.popleft())
        busy = set(processes)
        while busy:
            for connection in wait(list(busy)):
                assert isinstance(connection, Connection)
                if _take(connection, processes[connection], tick):
                    if waiting:
                        connection.send(waiting.popleft())
                    else:
                        busy.remove(connection)
    finally:
        for connection, process in processes.items():
            process.terminate()
            process.join()
            connection.close()


def _take(connection: Connection, process: BaseProcess, tick: Callable[[], None]) -> bool:
    """Take one message of a process; whether it has finished a scene."""
    try:
        message = connection.recv()
    except (EOFError, ConnectionError) as error:
        process.join()
        raise RuntimeError(
            f"simulate: a process ended with exit code {process.exitcode}, perhaps for want of memory; run the same "
            f"command again, finished scenes are kept; fewer --workers need less memory"
        ) from error
    if isinstance(message, BaseException):
        raise message
    if message == "scan":
        tick()
    return message == "scene"


def _serve(connection: Connection, work: Work) -> None:
    """Make scenes until the pipe ends, as it also does when the other process dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one ends the others
    try:
        while True:
            work(connection.recv(), lambda: connection.send("scan"))
            connection.send("scene")
    except (EOFError, ConnectionError):
        return
    except Exception as error:
        connection.send(error)
