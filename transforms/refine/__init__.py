"""The last changes to documents: test items are dropped or cut, and personal data is replaced."""
