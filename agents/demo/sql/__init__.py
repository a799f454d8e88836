"""Rules that read migration scripts, ETL results and query statistics."""
