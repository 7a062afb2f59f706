"""Says whether a compose file is what the specification knows: compose.py FILE."""

import sys

import compose_spec

with open(sys.argv[1], encoding="utf-8") as file:
    compose_spec.PyCompose.from_yaml(file.read()).validate()
