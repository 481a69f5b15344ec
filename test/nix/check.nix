# What `nix flake check` asks of the module: that a configuration evaluates, and fails no assertion.
{
  lib,
  system,
  config,
}:

let
  made = import ./evaluate.nix { inherit lib system config; };
in
if made.failed == [ ] then
  builtins.toJSON { inherit (made) unit agent toml; }
else
  throw (lib.concatStringsSep "\n" made.failed)
