#!/bin/sh
# Wrong input of every kind against the command, and what it must answer.  tests/errors/run.sh BINARY; prints TAP.
exec "${PYTHON:-python3}" "$(dirname "$0")/cases.py" "$@"
