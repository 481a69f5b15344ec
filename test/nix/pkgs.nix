# As much of nixpkgs as home-manager and the module look at: packages that are only named, never built.
{
  lib,
  system,
  path,
}:

let
  hostPlatform =
    if lib ? systems then
      lib.systems.elaborate system
    else
      {
        inherit system;
        isDarwin = system == "aarch64-darwin";
      };
  tool = name: {
    type = "derivation";
    inherit name;
    pname = name;
    version = "1";
    outputs = [ "out" ];
    outPath = "/nix/store/00000000000000000000000000000000-${name}";
    meta.mainProgram = name;
    override = _: tool name;
  };
  tools =
    names:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = tool name;
      }) names
    );
  format = _: {
    type = lib.types.attrsOf lib.types.anything;
    generate = name: _: tool name;
    lib.types.atom = lib.types.str;
  };
in
tools [
  "coreutils"
  "ffmpeg-headless"
  "glibcLocales"
  "less"
  "man"
  "ncurses"
  "shared-mime-info"
  "tailscale"
  "whisper-cpp"
]
// {
  inherit lib path system;
  stdenv = {
    inherit hostPlatform;
    inherit (hostPlatform) isDarwin;
    isLinux = !hostPlatform.isDarwin;
  };
  formats = {
    ini = format;
    json = format;
    keyValue = format;
    yaml = format;
    toml = _: {
      type =
        let
          value = lib.types.oneOf [
            lib.types.bool
            lib.types.int
            lib.types.float
            lib.types.str
            lib.types.path
            (lib.types.attrsOf value)
            (lib.types.listOf value)
          ];
        in
        value;
      generate = name: value: tool name // { inherit value; };
    };
  };
  callPackage = _: _: tool "wa-relay";
  runCommand =
    name: _: text:
    tool name // { inherit text; };
  runCommandLocal =
    name: _: _:
    tool name;
  writeText = name: text: tool name // { inherit text; };
  writeTextFile = { name, ... }: tool name;
}
