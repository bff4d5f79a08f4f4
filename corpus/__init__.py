"""What a document, a record, a word and a recipe section are: definitions that all other packages share."""
