# What the module makes of a configuration: in home-manager and with nixpkgs' lib where these are given, else with stand-ins.
{
  system,
  config,
  homeManager ? null,
  # A checkout of nixpkgs, or what looks like one: lib and nixos/modules/misc.
  nixpkgs ? null,
}:

let
  isReal = homeManager != null;
  module = ../../nix/module.nix;
  lib = if isReal then import (/. + nixpkgs + "/lib") else import ./lib.nix;
  pkgs = import ./pkgs.nix {
    inherit lib system;
    path = nixpkgs;
  };
  home = if pkgs.stdenv.hostPlatform.isDarwin then "/Users/ana" else "/home/ana";

  real =
    let
      modules = /. + homeManager + "/modules";
      hmLib = import (modules + "/lib/stdlib-extended.nix") lib;
      evaluated = hmLib.evalModules {
        class = "homeManager";
        specialArgs.modulesPath = toString modules;
        modules =
          import (modules + "/modules.nix") {
            inherit pkgs;
            lib = hmLib;
            check = true;
            useNixpkgsModule = false;
          }
          ++ [
            module
            config
            {
              home.username = "ana";
              home.homeDirectory = home;
              home.stateVersion = "24.05";
              # Any home-manager with any lib.
              home.enableNixpkgsReleaseCheck = false;
            }
          ];
      };
    in
    evaluated.config;

  # Defaults with what is given over them; settings may have keys that are no options.
  fill =
    option: given:
    if option ? type.options then
      fill option.type.options (if given == null then { } else given)
    else if option ? _type then
      if given == null then option.default or null else given
    else
      given // builtins.mapAttrs (name: inner: fill inner (given.${name} or (if inner ? _type then null else { }))) option;
  loaded = import module {
    inherit lib pkgs;
    config = {
      home.homeDirectory = home;
      home.profileDirectory = "${home}/.nix-profile";
      xdg.stateHome = "${home}/.local/state";
      services.wa-relay = fill loaded.options.services.wa-relay config.services.wa-relay or { };
    };
  };
  stub = lib.recursiveUpdate {
    assertions = [ ];
    warnings = [ ];
    home.extraDependencies = [ ];
    home.packages = [ ];
  } loaded.config;

  done = if isReal then real else stub;
  # Options of the settings that take one of a few values, and the names of all options.
  describe =
    prefix: option:
    if option ? type.options then
      describe prefix option.type.options
    else if option ? _type then
      [ { name = prefix; values = option.type.values or null; } ]
    else
      lib.concatLists (lib.mapAttrsToList (name: describe (if prefix == "" then name else "${prefix}.${name}")) option);
in
{
  unit = done.systemd.user.services.wa-relay or null;
  agent = done.launchd.agents.wa-relay.config or null;
  toml = done.xdg.configFile."wa-relay/config.toml".source.value or null;
  failed = map (assertion: assertion.message) (builtins.filter (assertion: !assertion.assertion) done.assertions);
  inherit (done) warnings;
  packages = builtins.filter (name: name == "wa-relay") (map (package: package.name) done.home.packages);
  checks = map (check: check.text or "") done.home.extraDependencies;
}
// (if isReal then { } else { options = describe "" loaded.options.services.wa-relay; })
