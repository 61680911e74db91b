"""What clients send: bodies, forms, fields and parameters, read within limits."""
