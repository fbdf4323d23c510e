"""Sources of tables: one module per data source, which reads it into the common table format."""
