import type { Prompt, Question } from "./prompt.ts";

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** Shows a numbered list and takes a number of it, one of its values, or whatever else `other` makes sense of. */
export async function choose(
  prompt: Prompt,
  question: Question,
  choices: readonly Choice[],
  other: (answer: string) => string | undefined = () => undefined,
): Promise<string> {
  if (prompt.canAsk) {
    prompt.say(question.text);
    for (const [index, { label }] of choices.entries()) prompt.say(`  ${index + 1}  ${label}`);
  }
  const text = prompt.canAsk ? "Your choice" : question.text;
  const number = choices.findIndex(({ value }) => value === question.fallback) + 1;
  for (;;) {
    const fallback = number > 0 ? String(number) : question.fallback;
    const answer = await prompt.ask({ ...question, text, title: question.text, fallback });
    const found = choices[Number(answer) - 1]?.value ?? choices.find(({ value }) => value === answer)?.value;
    const taken = found ?? other(answer);
    if (taken !== undefined) return taken;
    prompt.say(`  There is no "${answer}" in the list`);
  }
}
