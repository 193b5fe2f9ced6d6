"""From results to pages: figures, tables, sentences, and the book that binds them."""
