"""A tenant's wishes for an agent: kept with their history, merged over version and definition."""
