"""Is a commit slower than another? See `__main__`."""
