"""Our Postgres: remembers runs, data, models, predictions and what was published.

Every function takes an open connection `tx`, inside a transaction that the caller commits (`connect.transaction`).
SQL lies in `sql/`, as named queries; the shared tables are made by `migrate`, those of a pipeline by `layout`.
"""
