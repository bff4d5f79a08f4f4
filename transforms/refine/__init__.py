"""The last changes to a corpus: documents that hold test items leave it, personal data is replaced."""
