"""The cards of the objectives and the corrections of their past."""
