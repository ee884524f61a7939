"""The command line, the files that it reads, and the progress bar.

`main` is `fastem fit`, `parser` has the options of all commands, and `makers` makes families from their names. `models`
predicts, samples, shows and draws, `compare` measures beside scikit-learn, `environment` says where it runs. `reading`
turns files into tables, with one sentence for each way in which that can fail, and `writing` tables into files. They
use only the public names of fastem, and the lists of names in the package.
"""
