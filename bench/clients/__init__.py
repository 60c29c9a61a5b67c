"""Raw clients of HTTP, WebSocket and server-sent events: thin, so that the load is not what is measured."""
