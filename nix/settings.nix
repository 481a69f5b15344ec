# The keys of config.toml that are worth checking before a switch. All others are allowed as well (docs/configure.md).
{ lib, stateHome }:

let
  inherit (lib) types;

  option =
    type: description:
    lib.mkOption {
      type = types.nullOr type;
      default = null;
      inherit description;
    };

  duration = types.either types.numbers.nonnegative (
    types.strMatching "[[:space:]]*[0-9]+(\\.[0-9]+)?[[:space:]]*(ms|s|m|h|d)?[[:space:]]*"
    // {
      description = ''duration such as "30s" (a bare number counts seconds)'';
    }
  );

  # An empty host is every interface.
  address =
    types.addCheck (types.strMatching "(\\[[^]]+]|[^:]*):[0-9]{1,5}") (
      value: lib.toIntBase10 (lib.last (lib.splitString ":" value)) <= 65535
    )
    // {
      description = ''host and port such as "127.0.0.1:18790"'';
    };
in
{
  provider = option (types.enum [
    "kapso"
    "meta"
  ]) "Who carries the messages. Without it, who has credentials.";

  kapso.phone_number_id = option (types.strMatching "[0-9]+") "Phone number id at Kapso.";
  meta.phone_number_id = option (types.strMatching "[0-9]+") "Phone number id at Meta.";

  delivery = {
    mode = option (types.enum [
      "polling"
      "tailscale"
      "domain"
    ]) "How inbound messages arrive. Without it, by polling.";
    poll_interval = option duration "Longest wait between two polls.";
    poll_fallback = option types.bool "Poll next to webhooks, and so find what they miss.";
    quote = option (types.enum [
      "auto"
      "always"
      "never"
    ]) "Whether an answer quotes its question.";
    receipts = option (types.enum [
      "typing"
      "read"
      "none"
    ]) "Blue ticks and typing, blue ticks only, or neither.";
  };

  webhook = {
    addr = option address "Where webhooks and `/health` are listened for.";
    url = option (types.strMatching "https://.+") "Public address of the webhook, with {option}`delivery.mode` `domain`.";
  };

  tailscale.port = option (types.enum [
    443
    8443
    10000
  ]) "Public port of the Funnel.";

  gateway = {
    type = option (types.enum [
      "openclaw"
      "http"
      "zeroclaw"
    ]) "Kind of agent.";
    # The older module was content with an empty one.
    url = option (types.strMatching "((ws|http)s?://.+)?") "Where the agent's gateway is." // {
      apply = url: if url == "" then null else url;
    };
    session_key = option types.nonEmptyStr "Base of the session keys.";
    scopes = option (types.listOf types.nonEmptyStr) "Scopes asked of the gateway.";
    turn_timeout = option duration "The agent may work this long on one message.";
  };

  bridge.addr = option address "Where agents that speak HTTP send to.";

  security = {
    mode = option (types.enum [
      "allowlist"
      "open"
    ]) "Who may write: the people below, or everybody.";
    roles = option (types.attrsOf (types.listOf types.str)) "Roles, each with its numbers or user ids.";
    allowed_numbers = option (types.listOf types.str) "More people, with the default role.";
    default_role = option types.nonEmptyStr "Role of people without one.";
    rate_limit = option types.ints.positive "Messages of one person in a window.";
    rate_window = option duration "Length of that window.";
    session_isolation = option types.bool "A session for each person instead of one for all.";
  };

  transcribe = {
    provider = option (types.enum [
      "openai"
      "groq"
      "deepgram"
      "local"
    ]) "Who writes down voice messages. Nobody without one.";
    model_path = option types.str "Model file of whisper.cpp, with {option}`transcribe.provider` `local`.";
    timeout = option duration "One try may take this long.";
    no_speech_threshold = option (types.numbers.between 0 1) "How probable silence must be for a recording to have no transcript.";
  };

  state.dir = lib.mkOption {
    # It stands in the unit too, where these characters mean something, and so would a variable to whoever writes one.
    type =
      types.addCheck (types.strMatching "(/|~/)[^[:cntrl:]\"'$]+") (
        folder:
        !lib.hasInfix "\\" folder && !lib.any (part: part == "." || part == "..") (lib.splitString "/" folder)
      )
      // {
        description = "folder that begins with / or ~/, without variables, quotes, backslashes, . and ..";
      };
    default = "${stateHome}/wa-relay";
    defaultText = lib.literalExpression ''"''${config.xdg.stateHome}/wa-relay"'';
    description = "Folder of the database, the device key and the files of messages.";
  };

  log = {
    level = option (types.enum [
      "trace"
      "debug"
      "info"
      "warn"
      "error"
      "fatal"
      "silent"
    ]) "Least important lines that are logged.";
    format = option (types.enum [
      "pretty"
      "json"
    ]) "Form of the log.";
  };
}
