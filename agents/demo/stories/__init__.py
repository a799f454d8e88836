"""Rules that turn requirements into stories: grouping, criteria, test ideas, gaps, scores."""
