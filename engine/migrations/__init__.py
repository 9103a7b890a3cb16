"""The schema, step by step, by alembic."""
