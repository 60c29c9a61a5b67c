"""Where the world comes in: sockets, HTTP, and how errors are told. Reaches down only to the Application's verbs."""
