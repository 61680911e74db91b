"""What clients get: models, the values that fill them, refusals, and the document that describes both."""
