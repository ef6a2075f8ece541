"""Views: what agencies' systems say of the truth.

Belongs here: what a view is and the engine that reads it (`view`, `forms`, `spoil`), dirt and its rates (`dirt`), files
(`writers`, `workbook`, `encodings`), and one module per agency with its `VIEWS`. Stays out: the truth (`province`),
servers (`systems`).
"""
