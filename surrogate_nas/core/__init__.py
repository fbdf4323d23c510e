"""What everything else stands on: errors, names, arguments, metrics, threads."""
