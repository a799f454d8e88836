"""How agents are doing, for those who look after them: circuits, budgets, and what the guard did."""
