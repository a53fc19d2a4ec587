"""What changes weights, and what measures them."""
