"""The comparison with other libraries: equal data, equal start, equal number of iterations. See `__main__`."""
