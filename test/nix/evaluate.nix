# What the module makes of a configuration: in home-manager where that is given, else in a stand-in for it.
{
  system,
  config,
  # A checkout of home-manager.
  homeManager ? null,
  # A checkout of nixpkgs, or what looks like one: lib and, for home-manager, nixos/modules/misc.
  nixpkgs ? null,
  lib ? if nixpkgs == null then import ./lib.nix else import (/. + nixpkgs + "/lib"),
}:

let
  module = ../../nix/module.nix;
  pkgs = import ./pkgs.nix {
    inherit lib system;
    path = nixpkgs;
  };
  home = if pkgs.stdenv.hostPlatform.isDarwin then "/Users/ana" else "/home/ana";

  real =
    let
      modules = /. + homeManager + "/modules";
      hmLib = import (modules + "/lib/stdlib-extended.nix") lib;
    in
    hmLib.evalModules {
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

  standIn = lib.evalModules {
    specialArgs = { inherit pkgs; };
    modules = [
      { inherit options; }
      module
      config
    ];
  };
  option = type: default: lib.mkOption { inherit type default; };
  list = option (lib.types.listOf lib.types.raw) [ ];
  set = option (lib.types.attrsOf lib.types.raw) { };
  text = option lib.types.str;
  # What the module reads and sets of home-manager.
  options = {
    assertions = list;
    warnings = list;
    home = {
      activation = set;
      extraDependencies = list;
      homeDirectory = text home;
      packages = list;
      profileDirectory = text "${home}/.nix-profile";
    };
    launchd.agents = set;
    systemd.user.services = set;
    xdg.configFile = set;
    xdg.stateHome = text "${home}/.local/state";
  };

  done = if homeManager == null then standIn else real;
  made = done.config;
  # Options of the settings that take one of a few values, and the names of all options.
  describe =
    prefix: option:
    if option ? type.options then
      describe prefix option.type.options
    else if option ? _type then
      [
        {
          name = prefix;
          values = option.type.values or null;
        }
      ]
    else
      lib.concatLists (
        lib.mapAttrsToList (name: describe (if prefix == "" then name else "${prefix}.${name}")) option
      );
in
{
  unit = made.systemd.user.services.wa-relay or null;
  agent = made.launchd.agents.wa-relay.config or null;
  activation = made.home.activation.wa-relay-log.data or null;
  toml = made.xdg.configFile."wa-relay/config.toml".source.value or null;
  failed = map (assertion: assertion.message) (
    builtins.filter (assertion: !assertion.assertion) made.assertions
  );
  inherit (made) warnings;
  packages = builtins.filter (name: name == "wa-relay") (
    map (package: package.name) made.home.packages
  );
  checks = map (check: check.text or "") made.home.extraDependencies;
}
// (if nixpkgs == null then { options = describe "" done.options.services.wa-relay; } else { })
