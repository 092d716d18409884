"""What several tests need: waiting, processes, a browser, a PostgreSQL."""
