"""What a governed run costs beyond the model: `make bench`, explained in `docs/benchmarks.md`."""
