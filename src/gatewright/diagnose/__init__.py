"""From what was observed to plain words: classified by number, never by prose."""
