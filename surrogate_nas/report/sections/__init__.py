"""The sections of pages. Each section is built by a function that
`surrogate_nas.report.markup.section` registers. New modules in this folder are found automatically.
"""
