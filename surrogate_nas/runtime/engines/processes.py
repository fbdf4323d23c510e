"""Execute jobs in worker processes on this machine.

For every worker, one thread of the parent waits for the results.
"""

from concurrent.futures import ThreadPoolExecutor

ENGINE = ThreadPoolExecutor
