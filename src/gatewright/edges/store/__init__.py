"""The PKI's database: one schema on SQLite (a file of its own per gateway) and PostgreSQL (shared by several)."""
