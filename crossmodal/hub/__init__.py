"""Models of the Hugging Face hub: which are worth having, their files on this computer, and their download."""
