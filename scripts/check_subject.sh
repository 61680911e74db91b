#!/bin/sh
# Checks the subject of a commit message: `area: what it does`, at most 72 characters. Git passes the file of the message.
set -eu
subject=$(grep -v '^#' "$1" | sed -n 1p)
case $subject in
    "fixup! "* | "squash! "* | "amend! "* | "Revert "*) exit 0 ;;
esac
if [ "$(printf %s "$subject" | wc -m)" -gt 72 ]; then
    echo "The subject is longer than 72 characters: $subject" >&2
    exit 1
fi
if ! printf '%s\n' "$subject" | grep -qE '^[a-z][a-z0-9_., -]*: [^ ]'; then
    echo "The subject does not begin with its area, as in \"store: recognise moved folders\": $subject" >&2
    exit 1
fi
