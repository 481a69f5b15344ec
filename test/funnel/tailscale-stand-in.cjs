#!/usr/bin/env node
// A stand-in for the tailscale command. It is copied into a folder under that name and finds its state beside itself.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

const folder = path.dirname(fs.realpathSync(__filename));
const sessionsFolder = path.join(folder, "sessions");
const LOOK_MS = 15;
const USAGE = "Serve content and local servers on the internet\n\nUSAGE\n  tailscale funnel <target>";
const args = process.argv.slice(2);

fs.appendFileSync(
  path.join(folder, "calls.jsonl"),
  `${JSON.stringify({ pid: process.pid, args, env: Object.keys(process.env) })}\n`,
);

const first = readState();
if (first.warning !== "") process.stderr.write(`${first.warning}\n`);
if (first.hangs.includes(args[0] === "status" ? "status" : args[1] === "status" ? "serves" : "funnel"))
  setInterval(() => {}, 1000);
else if (args[0] === "status") status();
else if (args[0] === "funnel" && args[1] === "status") serves();
else if (args[0] === "funnel") funnel(args.slice(1));
else leave(2, `the stand-in does not know: ${args.join(" ")}`);

function readState() {
  return JSON.parse(fs.readFileSync(path.join(folder, "state.json"), "utf8"));
}

/** Ends, after everything is written. */
function leave(exitCode, text = "", stream = process.stderr) {
  if (text === "") process.exit(exitCode);
  stream.write(`${text}\n`, () => process.exit(exitCode));
}

function noDaemon(prefix) {
  const { noDaemonText } = readState();
  leave(1, `${prefix}${noDaemonText}`);
}

function status() {
  const state = readState();
  if (state.statusOutput !== null) {
    const { stdout = "", stderr = "", exitCode } = state.statusOutput;
    process.stderr.write(stderr);
    process.stdout.write(stdout, () => process.exit(exitCode));
    return;
  }
  if (!state.isDaemonUp) return noDaemon("");
  const caps = {
    ...(state.hasHttps && { https: null }),
    ...(state.hasFunnel && { funnel: null }),
    ...(state.ports !== null && { [`https://tailscale.com/cap/funnel-ports?ports=${state.ports}`]: null }),
  };
  const hasName = !["NoState"].includes(state.backendState) && state.dnsName !== "";
  const text = JSON.stringify(
    {
      Version: "1.102.3",
      BackendState: state.backendState,
      AuthURL: state.authUrl,
      Health: [],
      Self: {
        DNSName: hasName ? `${state.dnsName}.` : "",
        Online: state.backendState === "Running",
        CapMap: Object.keys(caps).length === 0 ? null : caps,
      },
      CertDomains: state.hasHttps ? [state.dnsName] : null,
    },
    null,
    2,
  );
  process.stdout.write(text, () => process.exit(0));
}

function configOf({ port, path: mount, target }, dnsName) {
  const name = `${dnsName}:${port}`;
  return {
    TCP: { [port]: { HTTPS: true } },
    Web: { [name]: { Handlers: { [mount]: { Proxy: target } } } },
    AllowFunnel: { [name]: true },
  };
}

/** Sessions last as long as their process, unless the node was logged out or its daemon restarted. */
function liveSessions() {
  const { epoch } = readState();
  return fs
    .readdirSync(sessionsFolder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(fs.readFileSync(path.join(sessionsFolder, name), "utf8")))
    .filter((session) => session.epoch === epoch && isAlive(session.pid));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  try {
    return !/\) [ZX] /.test(fs.readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return !fs.existsSync("/proc/self/stat");
  }
}

function serves() {
  const state = readState();
  if (!state.isDaemonUp) return noDaemon("getting client status: ");
  const sessions = liveSessions().filter(({ isDeaf }) => !isDeaf);
  const foreground = {
    ...state.foreground,
    ...Object.fromEntries(sessions.map((session) => [session.id, configOf(session, state.dnsName)])),
  };
  const config = {
    ...state.background,
    ...(Object.keys(foreground).length > 0 && { Foreground: foreground }),
  };
  process.stdout.write(JSON.stringify(config), () => process.exit(0));
}

function readFlags(words) {
  const flags = new Map();
  let rest = words;
  while (rest[0]?.startsWith("-")) {
    const [, name, value] = /^--?([^=]+)(?:=(.*))?$/.exec(rest[0]) ?? [];
    if (name === "help") return leave(0, USAGE);
    if (!["https", "set-path"].includes(name) || value === undefined || flags.has(name))
      return leave(2, USAGE);
    flags.set(name, value);
    rest = rest.slice(1);
  }
  if (rest.length === 0) return leave(0, USAGE);
  if (rest.length > 1) return leave(1, "Error: invalid argument format");
  return { port: Number(flags.get("https") ?? 443), path: flags.get("set-path") ?? "/", target: rest[0] };
}

function funnel(words) {
  const wanted = readFlags(words);
  if (wanted === undefined) return;
  const state = readState();
  if (state.ignoresTerm) process.on("SIGTERM", () => {});
  process.on("SIGINT", () => process.exit(0));
  if (!state.isDaemonUp) return noDaemon("getting client status: ");
  if (state.funnelOutput !== null) return leaveWith(state.funnelOutput);
  const notUp = notUpText(state);
  if (notUp !== undefined) return leave(1, notUp);
  if (hasCaps(state) || state.consent === "none") return open(wanted);
  const page = "https://login.tailscale.com/f/funnel?node=nStandIn";
  const text = `Funnel is not enabled on your tailnet.\nTo enable, visit:\n\n         ${page}\n`;
  if (state.consent === "leave") return leave(0, text, process.stdout);
  process.stdout.write(`${text}\n`);
  const timer = setInterval(() => {
    if (hasRestarted(state)) return leave(1, "unexpected EOF");
    if (!hasCaps(readState())) return;
    clearInterval(timer);
    process.stdout.write("Success.\n");
    open(wanted);
  }, LOOK_MS);
}

function leaveWith({ stdout = "", stderr = "", exitCode }) {
  process.stdout.write(stdout, () => process.stderr.write(stderr, () => process.exit(exitCode)));
}

function notUpText({ backendState, authUrl }) {
  switch (backendState) {
    case "Running":
    case "Starting":
      return undefined;
    case "NeedsLogin":
      return authUrl === "" ? "Logged out." : `Logged out.\nLog in at: ${authUrl}`;
    case "Stopped":
      return "Tailscale is stopped.";
    case "NeedsMachineAuth":
      return "Machine is not yet approved by tailnet admin.";
    default:
      return `unexpected state: ${backendState}`;
  }
}

function hasCaps({ hasHttps, hasFunnel }) {
  return hasHttps && hasFunnel;
}

function hasRestarted({ daemonRun }) {
  const now = readState();
  return !now.isDaemonUp || now.daemonRun !== daemonRun;
}

/** Why it can not be published, in the order in which it is looked at. */
function refusal(state, port) {
  if (!state.hasHttps)
    return "Funnel not available; HTTPS must be enabled. See https://tailscale.com/s/https.";
  if (!state.hasFunnel)
    return 'Funnel not available; "funnel" node attribute not set. See https://tailscale.com/s/no-funnel.';
  // Always this one, whatever port is asked for.
  if (!isAllowed(state.ports, 443))
    return `port 443 is not allowed for funnel${state.ports ? `; allowed ports are: ${state.ports}` : ""}`;
  if (!state.isOperator)
    return (
      "sending serve config: Access denied: serve config denied\n\nUse 'sudo tailscale funnel ...'.\n" +
      "To not require root, use 'sudo tailscale set --operator=$USER' once."
    );
  if (state.isShieldsUp)
    return "sending serve config: updating config: Unable to turn on Funnel while shields-up is enabled";
  const held = [state.background, ...Object.values(state.foreground)].some(
    ({ TCP }) => TCP?.[port] !== undefined,
  );
  if (held || liveSessions().some((session) => session.port === port))
    return `sending serve config: updating config: listener already exists for port ${port}`;
  return undefined;
}

function isAllowed(ports, port) {
  return (ports ?? "").split(",").some((part) => {
    const [from, to = from] = part.split("-").map(Number);
    return port >= from && port <= to;
  });
}

/** The foreground session: it is there until the process or what it hangs on ends. */
function open({ port, path: mount, target }) {
  const state = readState();
  const refused = refusal(state, port);
  if (refused !== undefined) return leave(1, refused);
  const file = path.join(sessionsFolder, `${process.pid}.json`);
  const session = {
    id: `session-${process.pid}`,
    pid: process.pid,
    port,
    path: mount,
    target,
    epoch: state.epoch,
    isDeaf: state.isDeaf,
  };
  fs.writeFileSync(`${file}.new`, JSON.stringify(session));
  fs.renameSync(`${file}.new`, file);
  process.on("exit", () => fs.rmSync(file, { force: true }));
  const at = `https://${state.dnsName}${port === 443 ? "" : `:${port}`}${mount}`;
  process.stdout.write(`Available on the internet:\n\n${at}\n|-- proxy ${target}\n\nPress Ctrl+C to exit.\n`);
  const since = Date.now();
  setInterval(() => {
    const now = readState();
    if (now.resets !== state.resets) return process.exit(0);
    if (hasRestarted(state)) return leave(1, "unexpected EOF");
    if (now.diesAfterMs !== null && Date.now() - since >= now.diesAfterMs) return leave(1, now.lastWords);
  }, LOOK_MS);
}
