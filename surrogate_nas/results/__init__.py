"""Results: what runs are compared by, their verdict, confirmation by fresh seeds, and archives."""
