# What may come from a file alone: the option of the file, the key of config.toml, and its variables. A test compares this
# with the program.
{
  apiKeyFile = {
    key = "kapso.api_key";
    variables = [ "KAPSO_API_KEY" ];
    about = "project API key of Kapso";
  };
  phoneNumberIdFile = {
    key = "kapso.phone_number_id";
    variables = [ "KAPSO_PHONE_NUMBER_ID" ];
    isPublic = true;
    about = "phone number id at Kapso; no secret, so that {option}`settings.kapso.phone_number_id` does as well";
  };
  metaAccessTokenFile = {
    key = "meta.access_token";
    variables = [ "WHATSAPP_ACCESS_TOKEN" ];
    about = "access token of Meta's Cloud API";
  };
  metaAppSecretFile = {
    key = "meta.app_secret";
    variables = [ "WHATSAPP_APP_SECRET" ];
    about = "secret of the Meta app, which signs its webhooks";
  };
  metaVerifyTokenFile = {
    key = "meta.verify_token";
    variables = [ "WHATSAPP_VERIFY_TOKEN" ];
    about = "token of Meta's webhook verification";
  };
  webhookSecretFile = {
    key = "webhook.secret";
    variables = [ "KAPSO_WEBHOOK_SECRET" ];
    about = "secret that signs webhooks";
  };
  webhookOldSecretsFile = {
    key = "webhook.old_secrets";
    variables = [ "KAPSO_WEBHOOK_OLD_SECRETS" ];
    about = "secrets that still count while a new one takes over, one a line";
  };
  webhookVerifyTokenFile = {
    key = "webhook.verify_token";
    variables = [ "KAPSO_WEBHOOK_VERIFY_TOKEN" ];
    about = "token of the webhook's verification by GET";
  };
  gatewayTokenFile = {
    key = "gateway.token";
    variables = [
      "OPENCLAW_TOKEN"
      "GATEWAY_TOKEN"
    ];
    # Of OpenClaw itself, which goes by no file.
    alsoIn = [ "OPENCLAW_GATEWAY_TOKEN" ];
    about = "token of the agent gateway";
  };
  bridgeTokenFile = {
    key = "bridge.token";
    variables = [ "WA_BRIDGE_TOKEN" ];
    about = "what an agent shows that sends by HTTP";
  };
  transcribeApiKeyFile = {
    key = "transcribe.api_key";
    variables = [ "KAPSO_TRANSCRIBE_API_KEY" ];
    about = "API key of who writes down voice messages";
  };
}
