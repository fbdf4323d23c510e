"""Results as they come: pages of running comparisons and suites, served to this machine's browser
alone.
"""

from surrogate_nas.report.live.server import ADDRESS, PORT, Server

__all__ = ["ADDRESS", "PORT", "Server"]
