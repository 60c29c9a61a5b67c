"""What is said on the wire: messages, their spelling, and one client's conversation. No sockets, no clock."""
