# A configuration of services.kapso-whatsapp goes on working, with a warning for each option that names the new one.
{
  config,
  lib,
  options,
  ...
}:

let
  path = lib.splitString ".";
  rename =
    from: to:
    lib.mkRenamedOptionModule (path "services.kapso-whatsapp.${from}") (path "services.wa-relay.${to}");

  keys = {
    delivery = {
      mode = "mode";
      pollInterval = "poll_interval";
      pollFallback = "poll_fallback";
    };
    webhook.addr = "addr";
    gateway = {
      type = "type";
      url = "url";
      sessionKey = "session_key";
      sessionsJson = "sessions_json";
      errorMessage = "error_message";
    };
    state.dir = "dir";
    security = {
      mode = "mode";
      roles = "roles";
      denyMessage = "deny_message";
      rateLimit = "rate_limit";
      rateWindow = "rate_window";
      sessionIsolation = "session_isolation";
      defaultRole = "default_role";
    };
    transcribe = {
      provider = "provider";
      model = "model";
      language = "language";
      maxAudioSize = "max_audio_size";
      binaryPath = "binary_path";
      modelPath = "model_path";
      timeout = "timeout";
      noSpeechThreshold = "no_speech_threshold";
      cacheTTL = "cache_ttl";
      debug = "debug";
    };
  };
  same = [
    "enable"
    "secrets.apiKeyFile"
    "secrets.phoneNumberIdFile"
    "secrets.webhookVerifyTokenFile"
    "secrets.webhookSecretFile"
    "secrets.gatewayTokenFile"
    "secrets.transcribeApiKeyFile"
  ];
  unused =
    let
      package = "wa-relay has both programs in `services.wa-relay.package', which needs no value";
    in
    {
      inherit package;
      cliPackage = package;
      commands = "chat commands are not there yet, so `services.wa-relay' goes without them";
    };
in
{
  imports =
    map (name: rename name name) same
    ++ lib.concatLists (
      lib.mapAttrsToList (
        section: lib.mapAttrsToList (name: key: rename "${section}.${name}" "settings.${section}.${key}")
      ) keys
    );

  options.services.kapso-whatsapp = lib.mapAttrs (
    _: _:
    lib.mkOption {
      type = lib.types.anything;
      visible = false;
      description = "Not used.";
    }
  ) unused;

  config.warnings = lib.concatLists (
    lib.mapAttrsToList (
      name: why:
      lib.optional options.services.kapso-whatsapp.${name}.isDefined "The option `services.kapso-whatsapp.${name}' is not used: ${why}."
    ) unused
  );
}
