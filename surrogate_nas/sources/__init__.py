"""Where tables come from: one file per data source, each read into the one table format."""
