import type { Run } from "./run.ts";

/**
 * Whether the user's services go on when the last session ends; undefined where nobody can tell.
 * https://www.freedesktop.org/software/systemd/man/loginctl.html
 */
export async function lingers(run: Run, uid: number): Promise<boolean | undefined> {
  const { ok, out } = await run("loginctl", "show-user", String(uid), "--property=Linger", "--value");
  if (!ok) return undefined;
  return out.trim() === "yes";
}

export const LINGER_HINT =
  "services of this user end with the last session: loginctl enable-linger lets them go on, also after a reboot";
