"""Rules that read load profiles and targets, compare measurements, and write load scripts."""
