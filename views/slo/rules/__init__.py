"""Error budgets, burn rates and the ledger of what used them up."""
