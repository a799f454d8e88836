"""Rules that turn test cases into Playwright scripts, pipelines, selectors and healing proposals."""
