#!/usr/bin/env node
// Only what Node 12 can read, no static import and no await at the top: an old Node must reach the check.
const [major = 0] = process.versions.node.split(".").map(Number);
if (major < 24) {
  process.stderr.write(
    `wa-poller needs Node 24 or newer: this is ${process.version}\n→ install that, or use the single-file programs (docs/install.md)\n`,
  );
  process.exitCode = 1;
} else {
  void start();
}

async function start(): Promise<void> {
  const { enableCompileCache } = await import("node:module");
  enableCompileCache();
  const { main } = await import("./main.ts");
  await main();
}
