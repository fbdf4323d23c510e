"""The sections of the pages, each a function that `surrogate_nas.report.markup.section` lists; a
new file is found.
"""
