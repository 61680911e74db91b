#!/bin/sh
# Browser tests need Chromium or Chrome. Installs Debian's when run as root; otherwise prints what to install.
set -u
if [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
    || [ -x "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome" ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing Chromium for the browser tests (once)"
    { apt-get update -qq && apt-get install -y -qq chromium; } >/dev/null 2>&1 && exit 0
fi
echo "No Chromium found: install chromium or Google Chrome to run the browser tests too; the other tests run now."
