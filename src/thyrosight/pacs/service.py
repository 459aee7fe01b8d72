"""Settings, spool, Predictor -> the listening service: it receives images, predicts, sends results."""

from __future__ import annotations

from thyrosight.inference.predictor import Predictor
from thyrosight.pacs.listener import Listener, ListenerSettings
from thyrosight.pacs.log import Log
from thyrosight.pacs.sender import Sender, SenderSettings
from thyrosight.pacs.spool import Spool
from thyrosight.pacs.worker import SpoolWorker


class PacsService:
    """Three threads over one spool: the listener fills it, the worker predicts, the sender empties it.

    They share only the disk, so any of them may end at any moment without the loss of an accepted image.
    """

    def __init__(
        self, predictor: Predictor, spool: Spool, listening: ListenerSettings, sending: SenderSettings, log: Log
    ) -> None:
        self.spool = spool
        self.sender = Sender(sending, spool, log)
        self.worker = SpoolWorker(predictor, spool, self.sender.wake, log)
        self.listener = Listener(listening, spool, lambda _: self.worker.wake(), log)

    def start(self) -> None:
        """Starts to listen, and continues the work of an earlier run. InputError where the address is not available."""
        self.listener.start()
        self.worker.start()
        self.sender.start()

    def stop(self) -> None:
        """Accepts nothing new; finishes the present prediction and the present transfer.

        All other items wait on the disk.
        """
        self.listener.stop()
        for thread in (self.worker, self.sender):
            thread.stop()
        for thread in (self.worker, self.sender):
            if thread.is_alive():
                thread.join()
        self.spool.close()
