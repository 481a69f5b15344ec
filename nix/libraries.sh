# What the build reads, as $1/node_modules: `npm ci` of the lock file for the platform "wasm32". On it every package with
# native programs leaves them out, and rolldown comes as WebAssembly, so the result is the same on all machines.
set -eu
npm ci --cpu=wasm32 --os=linux --ignore-scripts --no-audit --no-fund --no-update-notifier --no-progress --loglevel=error
# The lock file again, with the addresses that this machine's registry has.
rm node_modules/.package-lock.json
# npm 10 leaves a folder where it left out everything in it, later ones do not.
find node_modules -type d -empty -delete
mkdir "$1"
mv node_modules "$1"
