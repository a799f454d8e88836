"""Settings: one subject a page, beside a list of the others. What a role may not do is not listed and refused."""
