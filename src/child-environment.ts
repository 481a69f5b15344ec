/** What any command that we run may see of our environment: no key is among it. */
const PASSED_ON = ["PATH", "HOME", "USER", "LOGNAME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR"];

/** The environment of a command that we run; `more` are the variables that this one needs besides. */
export function childEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  more: readonly string[] = [],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    [...PASSED_ON, ...more].flatMap((name) => (env[name] ? [[name, env[name]]] : [])),
  );
}
