"""What every domain stands on: settings, database, store, events, jobs, capabilities, security."""
