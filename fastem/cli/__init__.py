"""The command line, the files that it reads, and the progress bar.

`main` is `fastem fit`, `parser` what it may be told, `makers` the families by their names; `reading` turns files into
tables with one sentence for each way in which that can fail. They use the public names of fastem and lists of names.
"""
