"""Text processing without torch: cleaning, hashing tokenizer, spelling noise."""
