"""How results show themselves in a session: tables in notebooks, and plots."""
