"""The command line, the files that it reads, and the progress bar.

`main` is `fastem fit`, `reading` turns files into tables with one sentence for each way in which that can fail.
It uses the public names of fastem and nothing below them.
"""
