"""Workers on this machine. One thread per worker waits for it."""

from concurrent.futures import ThreadPoolExecutor

ENGINE = ThreadPoolExecutor
