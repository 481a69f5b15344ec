import { expect, test } from "vitest";
import { readUnit, unitPath, unitText } from "../../src/service/unit.ts";

const LAUNCH = { command: ["/usr/bin/node", "/opt/wa-poller"], env: { PATH: "/bin" } };

test.each([
  [252, false],
  [254, true],
])("systemd %i: waits that grow are asked for where it knows them (%o)", (version, grows) => {
  const text = unitText(LAUNCH, { version, canNotify: true });

  expect(text.includes("RestartSteps=")).toBe(grows);
  expect(text.includes("RestartMaxDelaySec=")).toBe(grows);
});

test("without systemd-notify no word is waited for, and there is no watchdog", () => {
  const text = unitText(LAUNCH, { version: 252, canNotify: false });

  expect(text).toContain("Type=exec\n");
  expect(text).not.toMatch(/Type=notify|WatchdogSec/);
});

test("a path can not bring a line of its own into the unit", () => {
  const text = unitText(
    { ...LAUNCH, command: [...LAUNCH.command, "a\nExecStartPre=/bin/evil"] },
    { version: 252, canNotify: true },
  );

  expect(text).not.toMatch(/^ExecStartPre/m);
});

test("readUnit() reads what unitText() was given, whatever stands in it", () => {
  const nasty = `a b%h $HOME \${HOME} "c" 'd' \\e \\x41 \n\t=$$`;
  const launch = {
    command: ["/opt/no%de", "--config", nasty],
    env: { PATH: "/a:/b", XDG_STATE_HOME: nasty },
  };

  const read = readUnit(unitText(launch, { version: 252, canNotify: true }));

  expect(read).toEqual({ ...launch, env: { ...launch.env, WA_SERVICE: "systemd" } });
});

test("readUnit() makes nothing up for a unit of somebody else", () => {
  expect(readUnit("[Service]\nExecStart=/bin/true\n")).toEqual({ command: [""], env: {} });
});

test.each([
  ["/h/own/systemd/user.control /h/own/systemd/user /etc/systemd/user\n", "/h/own/systemd/user"],
  [
    String.raw`"/a o'd\$d/systemd/user.control" "/a o'd\$d/systemd/user" /etc/systemd/user`,
    "/a o'd$d/systemd/user",
  ],
  ["", "/home/ana/.config/systemd/user"],
])("the unit belongs where systemd says that it looks: %j", async (out, folder) => {
  const run = async () => ({ ok: out !== "", out, complaint: "" });

  expect(await unitPath(run, "/home/ana")).toBe(`${folder}/wa-relay.service`);
});
