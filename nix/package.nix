# Both programs, from these sources and nixpkgs alone: `pkgs.callPackage ./nix/package.nix { }`.
{
  lib,
  stdenvNoCC,
  nodejs,
  nodejs_24,
  cacert,
  makeWrapper,
  installShellFiles,
}:

let
  node = if lib.versionAtLeast nodejs.version "24" then nodejs else nodejs_24;

  files =
    fileset:
    lib.fileset.toSource {
      root = ../.;
      fileset = lib.fileset.unions fileset;
    };

  libraries = stdenvNoCC.mkDerivation {
    # A lock file that changed changes the name too: otherwise the old libraries, found by their hash, would go on being used.
    name = "wa-relay-libraries-${lib.substring 0 8 (builtins.hashFile "sha256" ../package-lock.json)}";
    src = files [
      ../package.json
      ../package-lock.json
    ];
    nativeBuildInputs = [
      node
      cacert
    ];
    impureEnvVars = lib.fetchers.proxyImpureEnvVars;
    dontConfigure = true;
    dontBuild = true;
    installPhase = "HOME=$TMPDIR bash ${./libraries.sh} $out";
    # Nothing in it may name the store.
    dontFixup = true;
    outputHashMode = "recursive";
    # `npm run nix:hash -- --write` brings this line up to date.
    outputHash = "sha256-KqbGg+RLj0ikqlpWvGM+cp78Fpc7cB63/HHRo+3UQHQ=";
  };
in
stdenvNoCC.mkDerivation {
  pname = "wa-relay";
  inherit (lib.importJSON ../package.json) version;

  src = files [
    ../CHANGELOG.md
    ../LICENSE
    ../cli
    ../config.example.toml
    ../package.json
    ../poller
    ../rolldown.config.ts
    ../skills
    ../src
    ../tsconfig.json
  ];

  nativeBuildInputs = [
    node
    makeWrapper
    installShellFiles
  ];

  # As `npm run build` does it, without a shell in between that wants /usr/bin/env.
  buildPhase = ''
    runHook preBuild
    ln -s ${libraries}/node_modules node_modules
    NAPI_RS_FORCE_WASI=1 node node_modules/rolldown/bin/cli.mjs -c
    runHook postBuild
  '';

  # The programs find package.json and the skill from where they are.
  installPhase = ''
    runHook preInstall
    mkdir -p $out/share/wa-relay
    cp -r CHANGELOG.md LICENSE config.example.toml dist package.json skills $out/share/wa-relay
    for name in wa-cli wa-poller; do
      makeWrapper ${lib.getExe node} $out/bin/$name --add-flags $out/share/wa-relay/dist/''${name#wa-}/bin.js
    done
    for shell in bash zsh fish; do
      node dist/cli/bin.js completions $shell > wa-cli.$shell
    done
    installShellCompletion wa-cli.{bash,zsh,fish}
    runHook postInstall
  '';

  doInstallCheck = true;
  installCheckPhase = ''
    runHook preInstallCheck
    for name in wa-cli wa-poller; do
      env -i HOME=$TMPDIR $out/bin/$name --version
    done
    runHook postInstallCheck
  '';

  meta = {
    description = "Gives an AI agent a WhatsApp number through the official Cloud API";
    license = lib.licenses.mit;
    mainProgram = "wa-poller";
    platforms = [
      "x86_64-linux"
      "aarch64-linux"
      "aarch64-darwin"
    ];
  };
}
