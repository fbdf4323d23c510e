"""Shared by the papers: rows and jobs, pictures, rankings of cells, and searches."""
