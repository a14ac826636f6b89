"""The parts of runner.py: the scenario language, what a scenario knows, the verbs."""
