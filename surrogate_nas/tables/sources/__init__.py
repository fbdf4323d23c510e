"""Where tables come from: a file or folder per data source, each read into the one table format."""
