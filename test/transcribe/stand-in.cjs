#!/usr/bin/env node
// Plays ffmpeg or whisper-cli, by the name under which it was copied; how is in `<name>.json` beside it.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const folder = __dirname;
const name = path.basename(__filename);
const args = process.argv.slice(2);
const call = { name, args, env: process.env, cwd: process.cwd(), pid: process.pid };
fs.appendFileSync(path.join(folder, "calls.jsonl"), `${JSON.stringify(call)}\n`);

const manner = JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), "utf8"));
const after = (flag) => args[args.indexOf(flag) + 1];

if (manner.chatter) process.stderr.write("x".repeat(manner.chatter));
if (manner.does === "hangs") {
  if (manner.ignoresTerm) process.on("SIGTERM", () => {});
  if (manner.leavesChild)
    require("node:child_process").spawn(process.execPath, ["-e", "setTimeout(() => {}, 5000)"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
  setInterval(() => {}, 1000);
} else if (manner.does === "fails") {
  process.stderr.write(manner.complaint, () => process.exit(1));
} else if (manner.does === "dies") {
  process.kill(process.pid, "SIGKILL");
} else if (name === "ffmpeg") {
  const sound = fs.readFileSync(after("-i").replace(/^file:/, ""), "utf8");
  fs.writeFileSync(args.at(-1), `16 kHz of ${sound}`);
} else if (manner.does === "works") {
  fs.writeFileSync(`${after("-of")}.txt`, manner.text ?? fs.readFileSync(after("-f"), "utf8"));
}
