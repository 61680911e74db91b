"""The demo catalogue: things x colours x patterns, drawn and titled deterministically from a seed."""
