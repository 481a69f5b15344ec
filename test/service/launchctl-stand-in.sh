#!/bin/sh
# A stand-in for launchctl: a job is a file beside this script. Faults are files too.
here=$(dirname "$0")
echo "$*" >> "$here/calls"
case "$1" in
print)
  case "$2" in
  gui/501) [ ! -e "$here/no-desktop" ] ;;
  */wa-relay)
    [ -e "$here/job" ] || { echo "Could not find service" >&2; exit 113; }
    # A job that was asked to end is there for a while.
    if [ -e "$here/ending" ]; then rm "$here/ending" "$here/job"; printf '\tstate = SIGTERMed\n'; exit 0; fi
    cat "$here/job"
    ;;
  esac
  ;;
bootout)
  [ -e "$here/job" ] || { echo "Boot-out failed: 3: No such process" >&2; exit 3; }
  touch "$here/ending"
  ;;
bootstrap)
  if [ -e "$here/busy" ]; then rm "$here/busy"; echo "Bootstrap failed: 5: Input/output error" >&2; exit 5; fi
  if [ -e "$here/bad" ]; then echo "Bootstrap failed: 78: Function not implemented" >&2; exit 78; fi
  if [ -e "$here/dies" ]; then
    printf '\tstate = not running\n\truns = 3\n\tlast exit code = 1\n' > "$here/job"
    echo "wa-poller: the port is taken" >> "$(dirname "$3")/../Logs/wa-relay.log"
  else
    printf '\tstate = running\n\truns = 1\n\tpid = 4711\n\tlast exit code = (never exited)\n' > "$here/job"
  fi
  ;;
esac
