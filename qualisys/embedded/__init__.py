"""PostgreSQL and Valkey inside the checkout, and the supervisor behind `make run`."""
