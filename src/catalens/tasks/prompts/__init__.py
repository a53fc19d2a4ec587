"""The parts of prompt search: tables of terms, their vectors, the chain, and what another tool would have said."""
