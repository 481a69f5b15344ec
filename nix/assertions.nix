# What can be seen to fail before a switch. The program refuses these too, but only when it starts.
{
  lib,
  secrets,
  # The key that names a secret's file, such as [ "kapso" "api_key_file" ].
  fileKey,
  # As they go into config.toml.
  settings,
  environment,
  isDarwin,
}:

let
  at = path: lib.attrByPath path null settings;
  has = name: at (fileKey name) != null;

  mode = at [ "delivery" "mode" ];
  isMeta =
    at [ "provider" ] == "meta" || at [ "provider" ] == null && has "metaAccessTokenFile" && !has "apiKeyFile";
  transcriber = at [ "transcribe" "provider" ];
  host = address: lib.removeSuffix ":${lib.last (lib.splitString ":" address)}" address;
  webhookAddr = at [ "webhook" "addr" ];
  bridgeAddr = at [ "bridge" "addr" ];

  refuse = condition: message: {
    assertion = !condition;
    message = "services.wa-relay: ${message}";
  };

  inSettings = lib.mapAttrsToList (
    name: { key, isPublic ? false, ... }:
    refuse (!isPublic && at key != null) "settings.${lib.concatStringsSep "." key} would be readable by everybody in the Nix store: use secrets.${name}, with the name of a file outside of it"
  ) secrets;

  inEnvironment = lib.mapAttrsToList (
    name: { variables, isPublic ? false, ... }:
    refuse (!isPublic && lib.any (variable: environment ? ${variable}) variables) "environment.${lib.head variables} would be readable by everybody in the Nix store: use secrets.${name}, with the name of a file outside of it"
  ) secrets;

  # On macOS the session has no such folder.
  forms = "(/|~/${lib.optionalString (!isDarwin) "|[$]XDG_RUNTIME_DIR/"}).+";
  badFiles = lib.concatLists (
    lib.mapAttrsToList (
      name: _:
      let
        file = at (fileKey name);
      in
      lib.optionals (file != null) [
        (refuse (lib.hasInfix builtins.storeDir file) "secrets.${name} names a file in the Nix store, which everybody can read: give the name of a file outside of it as text, in quotes")
        (refuse (builtins.match forms file == null) "secrets.${name} must begin with / or ~/${lib.optionalString (!isDarwin) " or $XDG_RUNTIME_DIR/"} (it is ${file})")
      ]
    ) secrets
  );
in
inSettings
++ inEnvironment
++ badFiles
++ [
  (refuse (isMeta && (mode == null || mode == "polling")) ''Meta has no list of messages that could be polled: set settings.delivery.mode to "tailscale" or "domain"'')
  (refuse (isMeta && !has "metaAppSecretFile") "with Meta secrets.metaAppSecretFile is needed: without it anybody could forge messages")
  (refuse (isMeta && !lib.any has [ "metaVerifyTokenFile" "webhookVerifyTokenFile" ]) "with Meta secrets.metaVerifyTokenFile is needed")
  (refuse (mode == "tailscale" && at [ "webhook" "url" ] != null) ''the Funnel has an address of its own: leave out settings.webhook.url, or use settings.delivery.mode = "domain"'')
  (refuse (mode == "tailscale" && webhookAddr != null && !lib.elem (host webhookAddr) [ "" "127.0.0.1" "0.0.0.0" "[::]" ]) "a Funnel needs settings.webhook.addr on 127.0.0.1")
  (refuse (at [ "gateway" "type" ] == "http" && at [ "gateway" "url" ] == null) ''settings.gateway.type = "http" needs settings.gateway.url'')
  (refuse (at [ "gateway" "type" ] == "zeroclaw") ''settings.gateway.type = "zeroclaw" is not supported yet'')
  (refuse (lib.elem "operator.admin" (lib.toList (at [ "gateway" "scopes" ]))) "settings.gateway.scopes must not have operator.admin: everybody on WhatsApp would count as the agent's owner")
  (refuse (bridgeAddr != null && !has "bridgeTokenFile" && builtins.match "localhost|127[.].*|\\[::1]" (host bridgeAddr) == null) "others could send messages at settings.bridge.addr: set secrets.bridgeTokenFile, or listen on 127.0.0.1")
  (refuse (transcriber == "local" && at [ "transcribe" "model_path" ] == null) ''settings.transcribe.provider = "local" needs settings.transcribe.model_path'')
  (refuse (
    transcriber != null
    && transcriber != "local"
    && at [ "transcribe" "base_url" ] == null
    && !has "transcribeApiKeyFile"
  ) "settings.transcribe.provider needs secrets.transcribeApiKeyFile")
]
