"""Door, spool, Predictor, route -> the listening service: received, predicted, sent; started and stopped together."""

from __future__ import annotations

from thyrosight.inference.predictor import Predictor
from thyrosight.pacs.listener import Door, Listener, Say
from thyrosight.pacs.sender import Route, Sender
from thyrosight.pacs.spool import Spool
from thyrosight.pacs.worker import Worker


class PacsService:
    """Three hands over one spool: the listener fills it, the worker turns sources into results, the sender empties it.

    They meet on the disk alone: any of them may end at any moment, and what was accepted is still there.
    """

    def __init__(self, predictor: Predictor, spool: Spool, door: Door, route: Route, say: Say) -> None:
        self.spool = spool
        self.sender = Sender(route, spool, say)
        self.worker = Worker(predictor, spool, self.sender.wake, say)
        self.listener = Listener(door, spool, lambda _: self.worker.wake(), say)

    def start(self) -> None:
        """Begins to listen, and goes on with what an earlier run left. InputError where the address can't be had."""
        self.listener.start()
        self.worker.start()
        self.sender.start()

    def stop(self) -> None:
        """Takes nothing new, finishes the file in work and the one being sent; the rest is found at the next start."""
        self.listener.stop()
        for thread in (self.worker, self.sender):
            thread.stop()
        for thread in (self.worker, self.sender):
            if thread.is_alive():
                thread.join()
        self.spool.close()
