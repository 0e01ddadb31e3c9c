"""State machines: events in, commands out."""
