"""Sessions, tokens and budgets of a login."""
