import { RelayError } from "../src/errors.ts";
import { showUrl } from "../src/url.ts";
import type { MetaCallbacks, MetaHealth, MetaNumber, MetaToken } from "../src/whatsapp/meta-account.ts";
import type { Passed } from "./check.ts";
import { CommandError, EXIT } from "./exit-code.ts";

const SOON_S = 7 * 86_400;
const RIGHTS = ["whatsapp_business_messaging", "whatsapp_business_management"] as const;
export const NEW_TOKEN =
  "make one that does not expire: Meta's Business settings, System users, Generate token; then WHATSAPP_ACCESS_TOKEN";
/** @throws CommandError when it is of no use */
export function judgeToken(
  { is_valid: isValid, error, type, application, app_id: app, ...ends }: MetaToken,
  now: number,
): Passed {
  if (isValid !== true)
    throw new CommandError(
      EXIT.credentials,
      `The access token is not valid${error?.message ? `: ${error.message}` : ""}`,
      { hint: NEW_TOKEN },
    );
  const end = Math.min(
    ...[ends.expires_at, ends.data_access_expires_at].map((at) => at || Number.POSITIVE_INFINITY),
  );
  const until = Number.isFinite(end)
    ? `until ${new Date(end * 1000).toISOString().slice(0, 10)}`
    : "without end";
  return {
    detail: `${type ?? "a token"} of app ${application ?? "?"} (${app ?? "?"}), valid ${until}`,
    ...(end - now < SOON_S && { hint: NEW_TOKEN }),
  };
}

/** @throws CommandError naming what is missing */
export function judgeRights(scopes: readonly string[]): string {
  const missing = RIGHTS.filter((right) => !scopes.includes(right));
  if (missing.length === 0) return RIGHTS.join(", ");
  throw new CommandError(EXIT.credentials, `The token lacks ${missing.join(" and ")}`, {
    hint: "generate a token with these rights: Meta's Business settings, System users",
  });
}

/** What is worth a look at the number; only one that is not registered is of no use. @throws RelayError */
export function judgeNumber(found: MetaNumber): Passed {
  const { display_phone_number: shown, verified_name: name, platform_type: platform, ...state } = found;
  if (platform && platform !== "CLOUD_API")
    throw new RelayError(`The number is not on the Cloud API (${platform})`, {
      hint: "register it: WhatsApp Manager, Phone numbers",
    });
  const { quality_rating: quality, code_verification_status: code, name_status: nameStatus } = state;
  const worries: [string, string][] = [];
  if (quality === "RED")
    worries.push([
      "quality RED",
      "see WhatsApp Manager, Insights: people block or report it, and Meta may restrict it",
    ]);
  if (code && code !== "VERIFIED")
    worries.push([`verification ${code}`, "verify the number: WhatsApp Manager, Phone numbers"]);
  if (nameStatus === "DECLINED" || nameStatus === "EXPIRED")
    worries.push([`name ${nameStatus}`, "give it another display name: WhatsApp Manager, Phone numbers"]);
  const facts = [
    `${shown ?? "?"}${name ? ` "${name}"` : ""}`,
    ...(quality && quality !== "RED" ? [`quality ${quality}`] : []),
    ...(nameStatus === "PENDING_REVIEW" ? ["name under review"] : []),
    ...(found.is_on_biz_app === true ? ["also in the WhatsApp Business app"] : []),
  ];
  return { detail: [...facts, ...worries.map(([worry]) => worry)].join(", "), hint: worries[0]?.[1] };
}

/** Meta's own word on whether messages may be sent, and why not. @throws RelayError */
export function judgeHealth({ can_send_message: verdict, entities }: MetaHealth): Passed {
  const ill = (entities ?? []).filter(
    ({ can_send_message: may }) => may === "BLOCKED" || (may === "LIMITED" && verdict !== "BLOCKED"),
  );
  const reasons = ill.flatMap(({ entity_type: what, errors, additional_info: more }) => [
    ...(errors ?? []).map(
      ({ error_code: code, error_description: words }) =>
        `${what}: ${words ?? "?"}${code ? ` (${code})` : ""}`,
    ),
    ...(more ?? []).map((words) => `${what}: ${words}`),
  ]);
  const solution = ill.flatMap(({ errors }) => errors ?? []).find((error) => error.possible_solution);
  const hint = solution?.possible_solution ?? "see WhatsApp Manager, Account quality";
  const detail = [verdict ?? "Meta does not tell", ...reasons].join("; ");
  if (verdict === "BLOCKED") throw new RelayError(`Meta lets it send nothing: ${detail}`, { hint });
  return { detail, ...(verdict === "LIMITED" && { hint }) };
}

/** Whether Meta delivers to our address. @throws RelayError */
export function judgeCallbacks(found: MetaCallbacks, url: string | undefined): Passed {
  const override = found.phone_number || found.whatsapp_business_account;
  const theirs = override || found.application;
  const whose = override ? `an override for the ${found.phone_number ? "number" : "account"}` : "the app's";
  const dashboard = `in Meta's app dashboard (WhatsApp, Configuration) give the callback URL ${url === undefined ? "of wa-poller" : showUrl(url)} with the verify token, and subscribe to messages`;
  if (!theirs) throw new RelayError("Meta has no callback URL: no message will arrive", { hint: dashboard });
  const shown = URL.canParse(theirs) ? showUrl(theirs) : theirs;
  const detail = `Meta delivers to ${shown} (${whose})`;
  if (url === undefined) return { detail, hint: "our own address is not known, so nothing can be compared" };
  if (URL.parse(theirs)?.href === new URL(url).href) return { detail };
  throw new RelayError(`${detail}, not to ${showUrl(url)}`, {
    hint: override
      ? "take the override away, or set it to our address: POST webhook_configuration"
      : dashboard,
  });
}
