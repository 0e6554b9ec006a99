"""The broker's protocol: frames, messages, entities and mirror are pure; socket and rest do the input and output."""
