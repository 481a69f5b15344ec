{
  description = "Gives an AI agent a WhatsApp number through the official Cloud API";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs =
    { self, nixpkgs }:
    let
      inherit (nixpkgs) lib;
      each =
        f:
        lib.genAttrs [
          "x86_64-linux"
          "aarch64-linux"
          "aarch64-darwin"
        ] (system: f nixpkgs.legacyPackages.${system} self.packages.${system}.default);
      app = name: package: {
        type = "app";
        program = lib.getExe' package name;
        meta.description = "${name} of wa-relay";
      };
    in
    {
      packages = each (pkgs: _: { default = pkgs.callPackage ./nix/package.nix { }; });
      overlays.default = final: _: { wa-relay = final.callPackage ./nix/package.nix { }; };

      apps = each (
        _: package: rec {
          wa-poller = app "wa-poller" package;
          wa-cli = app "wa-cli" package;
          default = wa-poller;
        }
      );

      homeModules.default = ./nix/module.nix;
      # As it was called before.
      homeManagerModules = self.homeModules;

      devShells = each (pkgs: _: { default = pkgs.mkShellNoCC { packages = [ pkgs.nodejs_24 ]; }; });

      checks = each (
        pkgs: package: {
          inherit package;
          module = pkgs.writeText "wa-relay-module.json" (
            import ./test/nix/check.nix {
              inherit lib;
              inherit (pkgs.stdenv.hostPlatform) system;
              config.services.wa-relay = {
                enable = true;
                secrets.apiKeyFile = "/run/secrets/kapso";
                settings = {
                  delivery.mode = "tailscale";
                  kapso.phone_number_id = "1234";
                };
              };
            }
          );
        }
      );

      formatter = each (pkgs: _: pkgs.nixfmt-tree);
    };
}
