"""From a record as read to a document: decode, extract the main text, tidy it, name its language."""
