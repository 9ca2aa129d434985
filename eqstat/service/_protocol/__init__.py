"""Between service, devices and broker: topics, messages, connections."""
