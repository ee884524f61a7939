"""Benchmarks for airspeed velocity: `asv run --quick --python=same`, `asv continuous HEAD~1 HEAD`."""
