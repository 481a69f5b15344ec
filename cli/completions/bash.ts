import { valueFlags, type Node } from "./tree.ts";

/** Also for the bash 3.2 of macOS: no arrays by name, no `mapfile`. */
export function bashCompletions(tree: readonly Node[]): string {
  return `# bash completions of wa-cli
_wa_cli() {
  local IFS=$' \\t\\n' current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" at="" word words i
  # bash takes --flag=value for three words.
  if [[ $current == "=" ]]; then
    current=""
  elif [[ $before == "=" ]]; then
    before="\${COMP_WORDS[COMP_CWORD-2]}"
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    word="\${COMP_WORDS[i]}"
    case "$at $word" in
${walk(tree)}
    esac
  done
  COMPREPLY=()
  case "$at $before" in
${values(tree)}
  esac
  case "$at" in
${words(tree)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _wa_cli wa-cli
`;
}

/** Follows the commands; the value of an option is none. */
function walk(tree: readonly Node[]): string {
  const flags = valueFlags(tree).flatMap(({ path, flag }) => flag.names.map((name) => `"${path} ${name}"`));
  const commands = tree.flatMap(({ path, commands }) =>
    commands.map(({ name, path: target }) => `      "${path} ${name}") at="${target}" ;;`),
  );
  return [
    `      ${flags.join(" | ")})`,
    `        [[ "\${COMP_WORDS[i+1]}" == "=" ]] && i=$((i + 1))`,
    `        i=$((i + 1)) ;;`,
    ...commands,
  ].join("\n");
}

function values(tree: readonly Node[]): string {
  return valueFlags(tree)
    .map(({ path, flag }) => {
      const pattern = flag.names.map((name) => `"${path} ${name}"`).join(" | ");
      const offer =
        flag.value === "file"
          ? `compopt -o filenames 2>/dev/null; IFS=$'\\n'; COMPREPLY=($(compgen -f -- "$current"))`
          : `COMPREPLY=($(compgen -W "${flag.choices.join(" ")}" -- "$current"))`;
      return `    ${pattern}) ${offer}; return ;;`;
    })
    .join("\n");
}

function words(tree: readonly Node[]): string {
  return tree
    .map(({ path, commands, options, choices }) => {
      const all = [...commands.map(({ name }) => name), ...choices, ...options.flatMap(({ names }) => names)];
      return `    "${path}") words="${all.join(" ")}" ;;`;
    })
    .join("\n");
}
