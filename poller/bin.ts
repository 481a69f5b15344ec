#!/usr/bin/env node
// No static import: an old Node must reach the check before it meets syntax that it can not read.
const [major = 0] = process.versions.node.split(".").map(Number);
if (major < 24) {
  process.stderr.write(`wa-poller needs Node 24 or newer: this is ${process.version}\n`);
  process.exitCode = 1;
} else {
  const { enableCompileCache } = await import("node:module");
  enableCompileCache();
  const { main } = await import("./main.ts");
  await main();
}
