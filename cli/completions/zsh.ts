import { valueFlags, type Node } from "./tree.ts";

export function zshCompletions(tree: readonly Node[]): string {
  return `#compdef wa-cli
# zsh completions of wa-cli
_wa_cli() {
  local at="" before="\${words[CURRENT-1]}" i
  local -a offers
  for ((i = 2; i < CURRENT; i++)); do
    case "$at \${words[i]}" in
${walk(tree)}
    esac
  done
  if [[ "\${words[CURRENT]}" == --*=* ]]; then
    before="\${words[CURRENT]%%=*}"
    compset -P '*='
  fi
  case "$at $before" in
${values(tree)}
  esac
  case "$at" in
${offers(tree)}
  esac
  _describe 'wa-cli' offers
}
# Read by compinit from a folder of fpath, or sourced.
if [[ "$funcstack[1]" == "_wa-cli" ]]; then _wa_cli "$@"; else compdef _wa_cli wa-cli; fi
`;
}

function walk(tree: readonly Node[]): string {
  const flags = valueFlags(tree).flatMap(({ path, flag }) => flag.names.map((name) => `"${path} ${name}"`));
  const commands = tree.flatMap(({ path, commands }) =>
    commands.map(({ name, path: target }) => `      "${path} ${name}") at="${target}" ;;`),
  );
  return [`      ${flags.join(" | ")}) ((i++)) ;;`, ...commands].join("\n");
}

function values(tree: readonly Node[]): string {
  return valueFlags(tree)
    .map(({ path, flag }) => {
      const pattern = flag.names.map((name) => `"${path} ${name}"`).join(" | ");
      const offer =
        flag.value === "file"
          ? "_files"
          : flag.choices.length > 0
            ? `compadd -- ${flag.choices.join(" ")}`
            : "_message value";
      return `    ${pattern}) ${offer}; return ;;`;
    })
    .join("\n");
}

function offers(tree: readonly Node[]): string {
  return tree
    .map(({ path, commands, options, choices }) => {
      const all = [
        ...commands.map(({ name, about }) => offer(name, about)),
        ...choices.map((choice) => offer(choice, "")),
        ...options.flatMap(({ names, about }) => names.map((name) => offer(name, about))),
      ];
      return `    "${path}") offers=(${all.join(" ")}) ;;`;
    })
    .join("\n");
}

/** `name:about`, in single quotes. */
function offer(name: string, about: string): string {
  const text = about === "" ? name : `${name.replaceAll(":", "\\:")}:${about}`;
  return `'${text.replaceAll("'", "'\\''")}'`;
}
