"""The page and the API: uploads -> a queue on the disk -> one worker -> results per frame, corrections, exports."""
