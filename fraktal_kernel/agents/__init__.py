"""Who does the work on a person's behalf: what they say is understood, planned and carried out."""
