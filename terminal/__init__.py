"""What every command shares: how it is asked, what it writes where, how it ends. Nothing heavy is imported before it is needed."""
