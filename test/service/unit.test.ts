import { expect, test } from "vitest";
import { unitText } from "../../src/service/unit.ts";

const ORDER = { command: ["/usr/bin/node", "/opt/wa-poller"], env: { PATH: "/bin" }, home: "/home/ana" };

test.each([
  [252, false],
  [254, true],
])("systemd %i: waits that grow are asked for where it knows them (%o)", (version, grows) => {
  const text = unitText(ORDER, { version, canNotify: true });

  expect(text.includes("RestartSteps=")).toBe(grows);
  expect(text.includes("RestartMaxDelaySec=")).toBe(grows);
});

test("without systemd-notify no word is waited for, and there is no watchdog", () => {
  const text = unitText(ORDER, { version: 252, canNotify: false });

  expect(text).toContain("Type=exec\n");
  expect(text).not.toMatch(/Type=notify|WatchdogSec/);
});

test("a path can not bring a line of its own into the unit", () => {
  const text = unitText(
    { ...ORDER, command: [...ORDER.command, "a\nExecStartPre=/bin/evil"] },
    { version: 252, canNotify: true },
  );

  expect(text).not.toMatch(/^ExecStartPre/m);
});
