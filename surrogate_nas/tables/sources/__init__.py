"""Sources of tables: one module per data source, which converts the source's data to the common
table format.
"""
