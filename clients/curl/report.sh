#!/bin/sh
# Sends reports, one JSON object a line, from standard input:
#
#   echo '{"workers":[{"id":"worker-01","metrics":{"cpu_utilization":42}}]}' | clients/curl/report.sh
#
# EVENKEEL_URL says where Evenkeel's start page is, EVENKEEL_INGEST_TOKEN what its ingest token is.
# A server that is busy (429, 503) or not there is asked again, after as long as it says, five times. The exit code is 0 where it took reports.
set -eu
url=${EVENKEEL_URL:-http://127.0.0.1:8080/}

authorization=
if [ -n "${EVENKEEL_INGEST_TOKEN:-}" ]; then
  token=$(printf '%s' "$EVENKEEL_INGEST_TOKEN" | sed 's/[\\"]/\\&/g')
  authorization="header = \"Authorization: Bearer $token\""
fi

# By a file descriptor, so that the token is seen in no list of processes.
exec curl --silent --show-error --fail-with-body --max-time 30 --retry 5 --retry-connrefused \
  --header 'Content-Type: application/x-ndjson' --data-binary @- --config /dev/fd/3 "${url%/}/api/ingest" 3<<CONFIG
$authorization
CONFIG
