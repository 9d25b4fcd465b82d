"""What a formula makes of data: design rows, standard columns, and what is remembered of the variables."""
