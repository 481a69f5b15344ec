import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readSmallFile } from "../src/small-file.ts";

const MIB = 2 ** 20;

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "small-file-test-"));
  onTestFinished(() => rmSync(path, { recursive: true }));
  return path;
}

function fifo(): string {
  const path = join(folder(), "fifo");
  execFileSync("/usr/bin/env", ["mkfifo", path]);
  return path;
}

test("gives a file of up to 1 MiB", () => {
  const path = join(folder(), "file");
  writeFileSync(path, Buffer.alloc(MIB, 7));

  expect(readSmallFile(path).equals(Buffer.alloc(MIB, 7))).toBe(true);
});

test.each(["file", "/dev/zero"])("P10: of %s no more than 1 MiB is read", (name) => {
  const path = name.startsWith("/") ? name : join(folder(), name);
  if (!name.startsWith("/")) writeFileSync(path, Buffer.alloc(MIB + 1));

  expect(() => readSmallFile(path)).toThrow("longer than 1 MiB");
});

test("waits for what writes into a pipe", () => {
  const path = fifo();
  const writer = spawn("sh", ["-c", `exec 3>'${path}'; sleep 0.3; printf a >&3; sleep 0.3; printf b >&3`]);
  onTestFinished(() => void writer.kill());
  // Until it stands at the pipe.
  execFileSync("sleep", ["0.2"]);

  expect(readSmallFile(path).toString()).toBe("ab");
});

test("P10: a pipe that nobody writes into is empty at once", () => {
  const start = performance.now();

  expect(readSmallFile(fifo()).length).toBe(0);
  expect(performance.now() - start).toBeLessThan(1000);
});

test.each([
  ["/nowhere/file", "ENOENT"],
  ["/", "EISDIR"],
])("says of %s what is wrong", (path, code) => {
  expect(() => readSmallFile(path)).toThrow(expect.objectContaining({ code }));
});
