"""Rules that turn stories into test cases, probes, synthetic data and a readiness verdict."""
