import { valueFlags, type Flag, type Node } from "./tree.ts";

export function fishCompletions(tree: readonly Node[]): string {
  const lines = tree.flatMap(({ path, commands, options, choices }) => [
    ...commands.map(({ name, about }) => complete(path, ["-a", quote(name)], about)),
    ...choices.map((choice) => complete(path, ["-a", quote(choice)], "")),
    ...options.map((flag) => complete(path, flagWords(flag), flag.about)),
  ]);
  return `# fish completions of wa-cli
function __wa_cli_at
    set -l at ""
    set -l skip no
    for word in (commandline -opc)[2..-1]
        if test $skip = yes
            set skip no
            continue
        end
        switch "$at $word"
${walk(tree)}
        end
    end
    test "$at" = "$argv[1]"
end
complete -c wa-cli -f
${lines.join("\n")}
`;
}

function walk(tree: readonly Node[]): string {
  const flags = valueFlags(tree).flatMap(({ path, flag }) =>
    flag.names.map((name) => quote(`${path} ${name}`)),
  );
  const commands = tree.flatMap(({ path, commands }) =>
    commands.map(({ name, path: target }) =>
      [`            case ${quote(`${path} ${name}`)}`, `                set at ${quote(target)}`].join("\n"),
    ),
  );
  return [`            case ${flags.join(" ")}`, "                set skip yes", ...commands].join("\n");
}

function complete(path: string, words: readonly string[], about: string): string {
  const condition = quote(`__wa_cli_at ${quote(path)}`);
  return ["complete -c wa-cli -n", condition, ...words, ...(about === "" ? [] : ["-d", quote(about)])].join(
    " ",
  );
}

function flagWords({ names, value, choices }: Flag): string[] {
  const spelled = names.flatMap((name) =>
    name.startsWith("--") ? ["-l", name.slice(2)] : ["-s", name.slice(1)],
  );
  if (value === "none") return spelled;
  if (value === "file") return [...spelled, "-r", "-F"];
  return [...spelled, "-x", ...(choices.length === 0 ? [] : ["-a", quote(choices.join(" "))])];
}

function quote(text: string): string {
  return `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
}
