# Takes a token with curl or busybox's wget, and reads it out of the answer with jq, Python or sed.
#
#   sh token.sh jq|python|curl|busybox [PATH [INTERVAL_S COUNT]]
#
# `curl` alone doesn't read the answer: it is kept as it came.
url="http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2F$1.example%2F"

ask() {
  case $1 in
    jq) curl -sS -f -H 'Metadata: true' "$url" | jq -j .access_token ;;
    python)
      curl -sS -f -H 'Metadata: true' "$url" |
        /usr/bin/python3 -c 'import sys, json; print(json.load(sys.stdin)["access_token"], end="")'
      ;;
    curl) curl -sS -f -H 'Metadata: true' "$url" ;;
    busybox)
      busybox wget -q -O - --header 'Metadata: true' "$url" |
        busybox sed -n 's/.*"access_token":"\([^"]*\)".*/\1/p'
      ;;
  esac
}

move="mv"
[ "$1" != busybox ] || move="busybox mv"
umask 077
turn=0
while :; do
  if [ $# -gt 1 ]; then
    ask "$1" >"$2.tmp" && $move "$2.tmp" "$2"
  else
    ask "$1"
  fi
  turn=$((turn + 1))
  [ $turn != "${4:-1}" ] || break
  sleep "$3"
done
