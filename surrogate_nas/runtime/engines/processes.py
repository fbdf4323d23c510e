"""Workers of this machine: a thread of ours for each, which waits for it."""

from concurrent.futures import ThreadPoolExecutor

ENGINE = ThreadPoolExecutor
