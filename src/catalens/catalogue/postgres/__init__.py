"""An index in a table of PostgreSQL with pgvector, through psycopg."""
