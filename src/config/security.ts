import { maskPerson } from "../mask.ts";
import { readPerson } from "./person.ts";
import type { Values } from "./settings.ts";

export interface SecurityConfig {
  readonly open: boolean;
  /** Key of a person (`keysOf`) → role. */
  readonly roles: ReadonlyMap<string, string>;
  readonly defaultRole: string;
  readonly denyMessage: string;
  readonly limitMessage: string;
  readonly rateLimit: number;
  readonly rateWindowMs: number;
  readonly sessionIsolation: boolean;
}

/** The next step where nobody is listed. */
export const NOBODY_HINT =
  "list people in security.allowed_numbers or security.roles, or set KAPSO_ALLOWED_NUMBERS=+15551234567";

export function readSecurity(values: Values, problems: string[]): SecurityConfig {
  const { security } = values;
  return {
    open: security.mode === "open",
    roles: readRoles(values, problems),
    defaultRole: security.default_role,
    denyMessage: security.deny_message,
    limitMessage: security.limit_message,
    rateLimit: security.rate_limit,
    rateWindowMs: security.rate_window,
    sessionIsolation: security.session_isolation,
  };
}

function readRoles({ security }: Values, problems: string[]): Map<string, string> {
  const roles = new Map<string, string>();
  for (const [role, people] of Object.entries(security.roles)) {
    for (const person of people) {
      const id = readPerson(person, `security.roles.${role}`, problems);
      const other = roles.get(id);
      if (other !== undefined && other !== role)
        problems.push(`security.roles: "${maskPerson(person)}" is in both ${other} and ${role}: keep one`);
      roles.set(id, role);
    }
  }
  for (const person of security.allowed_numbers) {
    const id = readPerson(person, "security.allowed_numbers (KAPSO_ALLOWED_NUMBERS)", problems);
    if (!roles.has(id)) roles.set(id, security.default_role);
  }
  return roles;
}
