"""What is estimated, and what is known of it.

`model` has the M-step of whole mixtures, `evidence` the functional core, `result` what a fit returns and its file.
Nothing here loops, looks for a start or knows where the data come from.
"""
