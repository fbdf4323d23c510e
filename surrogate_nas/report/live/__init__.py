"""Live pages: the progress of comparisons and suites, served to browsers on this machine."""

from surrogate_nas.report.live.server import ADDRESS, PORT, Server

__all__ = ["ADDRESS", "PORT", "Server"]
