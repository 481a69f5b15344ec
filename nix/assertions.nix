# What can be seen to fail before anything is built. The program refuses the combinations too, while the configuration is
# checked (checkConfig).
{
  lib,
  secrets,
  # The key that names a secret's file, such as kapso.api_key_file.
  fileKey,
  # As they go into config.toml.
  settings,
  # As they are given: secrets.*.
  options,
  environment,
  isDarwin,
}:

let
  at = key: lib.attrByPath (lib.splitString "." key) null settings;

  # Where a file of the secret is named, in the words of the configuration.
  filesOf =
    name:
    lib.optional (at (fileKey name) != null) {
      place = if options.${name} == null then "settings.${fileKey name}" else "secrets.${name}";
      file = at (fileKey name);
    }
    ++ map (variable: {
      place = "environment.${variable}_FILE";
      file = environment."${variable}_FILE";
    }) (lib.filter (variable: environment ? "${variable}_FILE") secrets.${name}.variables);
  # Where the secret itself is.
  placesOf =
    name:
    let
      inherit (secrets.${name}) key variables;
    in
    lib.optional (at key != null) "settings.${key}"
    ++ map (variable: "environment.${variable}") (
      lib.filter (variable: environment ? ${variable}) (variables ++ secrets.${name}.alsoIn or [ ])
    );
  has = name: filesOf name != [ ] || placesOf name != [ ];

  mode = at "delivery.mode";
  provider = at "provider";
  isMeta = provider == "meta" || provider == null && has "metaAccessTokenFile" && !has "apiKeyFile";
  transcriber = at "transcribe.provider";
  webhookAddr = at "webhook.addr";
  bridgeAddr = at "bridge.addr";
  host = address: lib.removeSuffix ":${lib.last (lib.splitString ":" address)}" address;

  # What systemd reads differently is no name, nor what only a shell understands. On macOS the session has no such folder.
  inSession = lib.optionalString (!isDarwin) " or $XDG_RUNTIME_DIR/";
  forms = "(/|~/${lib.optionalString (!isDarwin) "|[$]XDG_RUNTIME_DIR/"})[^[:cntrl:]]*[^[:cntrl:][:space:]]";
  isName =
    file:
    builtins.match forms file != null
    && !lib.hasInfix "\\" file
    && !lib.any (part: part == "." || part == "..") (lib.splitString "/" file);

  ofSecret =
    name:
    {
      isPublic ? false,
      ...
    }:
    map (place: {
      when = !isPublic;
      say = "${place} would be readable by everybody in the Nix store: use secrets.${name}, with the name of a file outside of it";
    }) (placesOf name)
    ++ lib.concatMap (
      { place, file }:
      # A path is found below; nothing may be made of it here, because that alone would copy the file to the store.
      if builtins.isPath file then
        [ ]
      else if !lib.isString file then
        [
          {
            when = true;
            say = "${place} must be the name of a file, in quotes";
          }
        ]
      else
        [
          {
            when = lib.hasInfix builtins.storeDir file;
            say = "${place} names a file in the Nix store, which everybody can read: give the name of a file outside of it as text, in quotes";
          }
          {
            when = !isName file;
            say = "${place} must begin with / or ~/${inSession}, and have no line break, backslash, . or .. in it, nor a space at its end (it is ${builtins.toJSON file})";
          }
        ]
    ) (filesOf name);

  leaves =
    name: value:
    if lib.isAttrs value && !value ? outPath then
      lib.concatLists (lib.mapAttrsToList (key: leaves "${name}.${key}") value)
    else if lib.isList value then
      lib.concatMap (leaves name) value
    else
      [ { inherit name value; } ];
  ofValue =
    { name, value }:
    [
      {
        when = builtins.isPath value;
        say = "${name} is a path, and what it names would be copied to the Nix store, which everybody can read: give it as text, in quotes";
      }
      {
        when = lib.isString value && builtins.match "[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*@.*" value != null;
        say = "${name} has a name or password before its @, which would be readable by everybody in the Nix store";
      }
    ];

  ofVariable = variable: {
    when = builtins.match "[A-Za-z_][A-Za-z0-9_]*" variable == null;
    say = "environment.${builtins.toJSON variable} is no name of a variable";
  };

  # It may come another way, such as a drop-in of the unit that Nix does not know.
  missing = [
    {
      when = !isMeta && !has "apiKeyFile";
      say = "an account is missing: set secrets.apiKeyFile, or with Meta secrets.metaAccessTokenFile";
    }
    {
      when = !isMeta && !has "phoneNumberIdFile";
      say = "the number at Kapso is missing: set settings.kapso.phone_number_id or secrets.phoneNumberIdFile";
    }
  ];

  combinations = [
    {
      when = isMeta && !has "metaAccessTokenFile";
      say = "with Meta secrets.metaAccessTokenFile is needed";
    }
    {
      when =
        isMeta && at "meta.phone_number_id" == null && !environment ? WHATSAPP_PHONE_NUMBER_ID;
      say = "the number at Meta is missing: set settings.meta.phone_number_id";
    }
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
{
  inherit isMeta;
  warnings = map ({ say, ... }: "services.wa-relay: ${say}") (lib.filter ({ when, ... }: when) missing);
  assertions =
    map
      (
        { when, say }:
        {
          assertion = !when;
          message = "services.wa-relay: ${say}";
        }
      )
      (
        lib.concatLists (lib.mapAttrsToList ofSecret secrets)
        ++ lib.concatMap ofValue (leaves "settings" settings)
        ++ map ofVariable (lib.attrNames environment)
        ++ combinations
      );
}
