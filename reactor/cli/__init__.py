"""What does a person type? `reactor dev`, `serve`, `run`, `codegen`: they start, stop, ask and print, and decide nothing."""
