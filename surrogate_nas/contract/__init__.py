"""What anybody's strategy must keep, as checks that ``snas check`` and the project's tests run."""
