"""Request to decision: policy documents, the engine, and the checks on texts."""
