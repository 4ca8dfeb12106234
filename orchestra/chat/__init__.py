"""Chat models: messages in, text out."""
