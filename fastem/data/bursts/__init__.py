"""What runs for many passes without the interpreter: on small data, that is what a fit spends its time on otherwise."""
