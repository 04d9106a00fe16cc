"""What the applications share: data sources, run folders, reports, text and commands."""
