"""The command line, the files that it reads, and the progress bar.

`main` is `fastem fit`, `parser` has its options, and `makers` makes families from their names. `reading` turns files
into tables, with one sentence for each way in which that can fail. They use only the public names of fastem, and the
lists of names in the package.
"""
