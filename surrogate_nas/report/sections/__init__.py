"""The sections of pages. Each is a function that `surrogate_nas.report.markup.section` registers.
New modules in this folder are found automatically.
"""
