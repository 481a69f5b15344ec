# home-manager: services.wa-relay, on Linux (systemd) and macOS (launchd).
{
  config,
  lib,
  pkgs,
  ...
}:

let
  inherit (lib) mkOption types;
  inherit (pkgs.stdenv.hostPlatform) isDarwin;

  cfg = config.services.wa-relay;
  home = config.home.homeDirectory;
  toml = pkgs.formats.toml { };
  secrets = import ./secrets.nix;
  variableOf = name: lib.head secrets.${name}.variables;

  # The secret files that are named, whole where they are in the home folder.
  files = lib.mapAttrs (_: expandHome) (lib.filterAttrs (_: file: file != null) cfg.secrets);
  expandHome = file: if lib.hasPrefix "~/" file then home + lib.removePrefix "~" file else file;

  # Secret managers put files into the folder of the session; systemd calls it %t.
  inSession = [
    "%t/"
    "%r/"
    "$XDG_RUNTIME_DIR/"
    "\${XDG_RUNTIME_DIR}/"
  ];
  renameSession =
    to: escape: file:
    let
      prefix = lib.findFirst (prefix: lib.hasPrefix prefix file) null inSession;
    in
    if prefix == null then escape file else to + escape (lib.removePrefix prefix file);
  escapeUnit = lib.replaceStrings [ "%" ] [ "%%" ];
  quoteUnit =
    text:
    if builtins.match "[A-Za-z0-9_.,:=/@+-]+" text == null then
      builtins.toJSON (escapeUnit text)
    else
      text;

  fileKey = name: "${secrets.${name}.key}_file";
  fileSettings = lib.mapAttrsToList (
    name: file:
    lib.setAttrByPath (lib.splitString "." (fileKey name)) (
      renameSession "$XDG_RUNTIME_DIR/" lib.id file
    )
  ) files;
  settings = lib.filterAttrs (_: section: section != { }) (
    lib.filterAttrsRecursive (_: value: value != null) (
      lib.foldl' lib.recursiveUpdate cfg.settings fileSettings
    )
  );
  configFile = toml.generate "wa-relay-config.toml" settings;

  program = lib.getExe' cfg.package;
  # What is said before the log begins, on macOS.
  errors = "${home}/Library/Logs/wa-relay.log";

  # What is installed on the system comes first: a tailscale of its own fits the running tailscaled.
  path = lib.concatStringsSep ":" (
    [ "${config.home.profileDirectory}/bin" ]
    ++ lib.optional isDarwin "/opt/homebrew/bin"
    ++ [
      "/run/wrappers/bin"
      "/run/current-system/sw/bin"
      "/usr/local/bin"
      "/usr/bin"
      "/bin"
    ]
    ++ map (package: "${lib.getBin package}/bin") (cfg.path ++ needed)
  );
  needed =
    lib.optional (cfg.settings.delivery.mode == "tailscale") pkgs.tailscale
    ++ lib.optionals (cfg.settings.transcribe.provider == "local") (
      [ pkgs.ffmpeg-headless ] ++ lib.optional (!cfg.settings.transcribe ? binary_path) pkgs.whisper-cpp
    );

  # WA_SERVICE tells the program who restarts it.
  variables =
    manager:
    {
      PATH = path;
      WA_SERVICE = manager;
    }
    // cfg.environment;
  # The variables that name the files of secrets, wherever the service finds them.
  fileVariables =
    place:
    lib.mapAttrs' (
      name: file: lib.nameValuePair "${variableOf name}_FILE" (place (variableOf name) file)
    ) files;

  judged = import ./assertions.nix {
    inherit
      lib
      secrets
      fileKey
      settings
      isDarwin
      ;
    inherit (cfg) environment;
    options = cfg.secrets;
  };

  # The program reads its configuration, with stand-ins for the secrets: first with its own folders, of which none is there,
  # then as the service does, with a state folder that can be written to.
  check = pkgs.runCommand "wa-relay-config-check" { } ''
    env ${standIns} ${program "wa-cli"} config --config ${configFile} > /dev/null
    env ${standIns} KAPSO_STATE_DIR=$TMPDIR/state ${program "wa-poller"} --config ${configFile} --check > $out
  '';
  standIns = lib.escapeShellArgs (
    lib.mapAttrsToList (name: value: "${name}=${value}") (
      {
        HOME = home;
      }
      // lib.optionalAttrs (!judged.isMeta) {
        KAPSO_API_KEY = "0";
        KAPSO_PHONE_NUMBER_ID = "0";
      }
      // removeAttrs cfg.environment (map (variable: "${variable}_FILE") inFiles)
      // lib.genAttrs inFiles (_: "0")
    )
  );
  # The variables of what is in files.
  inFiles = lib.concatLists (
    lib.mapAttrsToList (
      name:
      { variables, ... }:
      lib.optional (lib.hasAttrByPath (lib.splitString "." (fileKey name)) settings) (variableOf name)
      ++ lib.filter (variable: cfg.environment ? "${variable}_FILE") variables
    ) secrets
  );
in
{
  imports = [ ./renamed.nix ];

  options.services.wa-relay = {
    enable = lib.mkEnableOption "wa-relay, which gives an AI agent a WhatsApp number";

    package = mkOption {
      type = types.package;
      default = pkgs.callPackage ./package.nix { };
      defaultText = lib.literalExpression "pkgs.callPackage ./nix/package.nix { }";
      description = "The package with `wa-poller` and `wa-cli`.";
    };

    settings = mkOption {
      type = types.submodule {
        freeformType = toml.type;
        options = import ./settings.nix {
          inherit lib;
          inherit (config.xdg) stateHome;
        };
      };
      default = { };
      example = lib.literalExpression ''
        {
          delivery.mode = "tailscale";
          security.roles.admin = [ "+15551234567" ];
        }
      '';
      description = "Keys of {file}`config.toml`. They stand in the Nix store, so secrets are refused: see {option}`services.wa-relay.secrets`.";
    };

    secrets = lib.mapAttrs (
      _:
      { about, ... }:
      mkOption {
        type = types.nullOr types.str;
        default = null;
        example = "/run/secrets/name";
        description = "File with the ${about}. It begins with `/`, `~/` or `$XDG_RUNTIME_DIR/`, and is not in the Nix store.";
      }
    ) secrets;

    environment = mkOption {
      type = types.attrsOf types.str;
      default = { };
      example = {
        TZ = "Europe/Madrid";
      };
      description = "More variables of the service, none of them secret.";
    };

    path = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Packages with commands that the service runs. Those it needs for its settings (tailscale, ffmpeg, whisper.cpp) are there without.";
    };

    checkConfig = mkOption {
      type = types.bool;
      default = true;
      description = "Run {command}`wa-poller --check` while the configuration is built, with stand-ins for secrets, so that what it would refuse does not get as far as a switch.";
    };

    hardening.strict = mkOption {
      type = types.bool;
      default = false;
      description = "Nothing but the state folder can be written to, and no device is seen. Needs user namespaces, which some distributions turn off (Linux only).";
    };
  };

  config = lib.mkIf cfg.enable {
    inherit (judged) assertions warnings;

    home.packages = [ cfg.package ];
    home.extraDependencies = lib.optional cfg.checkConfig check;

    # For wa-cli; the service has the file in the store, so that a change of it is a change of the service.
    xdg.configFile."wa-relay/config.toml".source = configFile;

    systemd.user.services.wa-relay = {
      Unit = {
        Description = "WhatsApp for an agent (wa-relay)";
        # Whoever brings the secrets, if there is one.
        After = [
          "sops-nix.service"
          "agenix.service"
        ];
        # It never gives up, whatever the number of quick failures.
        StartLimitIntervalSec = 0;
      };
      Install.WantedBy = [ "default.target" ];
      Service = import ./service.nix {
        inherit lib;
        inherit (cfg.hardening) strict;
        command = "${program "wa-poller"} --config ${configFile}";
        environment =
          lib.mapAttrsToList (name: value: quoteUnit "${name}=${value}") (variables "systemd")
          ++ lib.mapAttrsToList (name: value: "${name}=${value}") (
            fileVariables (variable: _: "%d/${variable}")
          );
        credentials = lib.mapAttrsToList (
          name: file: "${variableOf name}:${renameSession "%t/" escapeUnit file}"
        ) files;
        quote = quoteUnit;
        stateDir = expandHome cfg.settings.state.dir;
        mkdir = lib.getExe' pkgs.coreutils "mkdir";
      };
    };

    launchd.agents.wa-relay = {
      enable = true;
      config = {
        ProgramArguments = [
          (program "wa-poller")
          "--config"
          "${configFile}"
        ];
        EnvironmentVariables = variables "launchd" // fileVariables (_: file: file);
        RunAtLoad = true;
        WorkingDirectory = home;
        # It ends with 0 when a restart can not help.
        KeepAlive.SuccessfulExit = false;
        ProcessType = "Background";
        Umask = 63;
        StandardErrorPath = errors;
      };
    };
    # launchd would make it readable by everybody.
    home.activation = lib.mkIf isDarwin {
      wa-relay-log = {
        after = [ "writeBoundary" ];
        before = [ "setupLaunchAgents" ];
        data = ''
          run mkdir -p ${lib.escapeShellArg (dirOf errors)}
          run touch ${lib.escapeShellArg errors}
          run chmod 600 ${lib.escapeShellArg errors}
        '';
      };
    };
  };
}
