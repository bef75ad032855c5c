"""The web server: REST, WebSocket and pages behind one gate. The only room that knows FastAPI."""
