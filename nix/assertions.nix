# What can be seen to fail before anything is built. The program refuses the combinations too: most of them while the
# configuration is checked (checkConfig), all when it starts.
{
  lib,
  secrets,
  # The key that names a secret's file, such as kapso.api_key_file.
  fileKey,
  # As they go into config.toml.
  settings,
  environment,
  isDarwin,
}:

let
  at = key: lib.attrByPath (lib.splitString "." key) null settings;
  has = name: at (fileKey name) != null;

  mode = at "delivery.mode";
  provider = at "provider";
  isMeta = provider == "meta" || provider == null && has "metaAccessTokenFile" && !has "apiKeyFile";
  transcriber = at "transcribe.provider";
  webhookAddr = at "webhook.addr";
  bridgeAddr = at "bridge.addr";
  host = address: lib.removeSuffix ":${lib.last (lib.splitString ":" address)}" address;

  # On macOS the session has no such folder.
  inSession = lib.optionalString (!isDarwin) " or $XDG_RUNTIME_DIR/";
  forms = if isDarwin then "(/|~/).+" else "(/|~/|[$]XDG_RUNTIME_DIR/).+";
  exposed =
    name: where:
    "${where} would be readable by everybody in the Nix store: use secrets.${name}, with the name of a file outside of it";

  ofSecret =
    name:
    {
      key,
      variables,
      isPublic ? false,
      ...
    }:
    let
      file = at (fileKey name);
    in
    [
      {
        when = !isPublic && at key != null;
        say = exposed name "settings.${key}";
      }
      {
        when = !isPublic && lib.any (variable: environment ? ${variable}) variables;
        say = exposed name "environment.${lib.head variables}";
      }
      {
        when = file != null && lib.hasInfix builtins.storeDir file;
        say = "secrets.${name} names a file in the Nix store, which everybody can read: give the name of a file outside of it as text, in quotes";
      }
      {
        when = file != null && builtins.match forms file == null;
        say = "secrets.${name} must begin with / or ~/${inSession} (it is ${file})";
      }
    ];

  combinations = [
    {
      when = isMeta && (mode == null || mode == "polling");
      say = ''Meta has no list of messages that could be polled: set settings.delivery.mode to "tailscale" or "domain"'';
    }
    {
      when = isMeta && !has "metaAppSecretFile";
      say = "with Meta secrets.metaAppSecretFile is needed: without it anybody could forge messages";
    }
    {
      when = isMeta && !has "metaVerifyTokenFile" && !has "webhookVerifyTokenFile";
      say = "with Meta secrets.metaVerifyTokenFile is needed";
    }
    {
      when = mode == "tailscale" && at "webhook.url" != null;
      say = ''the Funnel has an address of its own: leave out settings.webhook.url, or use settings.delivery.mode = "domain"'';
    }
    {
      when =
        mode == "tailscale"
        && webhookAddr != null
        && builtins.match "(127[.]0[.]0[.]1|0[.]0[.]0[.]0|\\[::])?" (host webhookAddr) == null;
      say = "a Funnel needs settings.webhook.addr on 127.0.0.1";
    }
    {
      when = at "gateway.type" == "http" && at "gateway.url" == null;
      say = ''settings.gateway.type = "http" needs settings.gateway.url'';
    }
    {
      when = at "gateway.type" == "zeroclaw";
      say = ''settings.gateway.type = "zeroclaw" is not supported yet'';
    }
    {
      when = lib.elem "operator.admin" (lib.toList (at "gateway.scopes"));
      say = "settings.gateway.scopes must not have operator.admin: everybody on WhatsApp would count as the agent's owner";
    }
    {
      when =
        bridgeAddr != null
        && !has "bridgeTokenFile"
        && builtins.match "localhost|127[.].*|\\[::1]" (host bridgeAddr) == null;
      say = "others could send messages at settings.bridge.addr: set secrets.bridgeTokenFile, or listen on 127.0.0.1";
    }
    {
      when = transcriber == "local" && at "transcribe.model_path" == null;
      say = ''settings.transcribe.provider = "local" needs settings.transcribe.model_path'';
    }
    {
      when =
        transcriber != null
        && transcriber != "local"
        && at "transcribe.base_url" == null
        && !has "transcribeApiKeyFile";
      say = "settings.transcribe.provider needs secrets.transcribeApiKeyFile";
    }
  ];
in
map (
  { when, say }:
  {
    assertion = !when;
    message = "services.wa-relay: ${say}";
  }
) (lib.concatLists (lib.mapAttrsToList ofSecret secrets) ++ combinations)
