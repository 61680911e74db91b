"""Text in: cleaning, hashing tokenizer, spelling noise. Knows no torch."""
