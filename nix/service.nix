# [Service] of the unit, with what is known to work in one of a user.
# https://www.freedesktop.org/software/systemd/man/systemd.exec.html
{
  lib,
  command,
  environment,
  credentials,
  quote,
  stateDir,
  # Whether the state folder is all that can be written to.
  strict,
  mkdir,
}:

{
  # The program says by systemd-notify, a process of its own, that it runs and is not stuck.
  Type = "notify";
  NotifyAccess = "all";
  # The start may check and convert a large state file.
  TimeoutStartSec = 300;
  TimeoutStopSec = 30;
  WatchdogSec = 300;
  # A core would hold keys.
  WatchdogSignal = "SIGKILL";
  Environment = environment;
  # A file that is not there yet is waited for: the start fails, and is tried again.
  LoadCredential = credentials;
  ExecStart = command;
  Restart = "always";
  RestartSec = 2;
  # A configuration that can not be used is not mended by a restart.
  RestartPreventExitStatus = 78;

  UMask = "0077";
  NoNewPrivileges = true;
  LockPersonality = true;
  RestrictRealtime = true;
  RestrictNamespaces = true;
  RestrictSUIDSGID = true;
  RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
  SystemCallArchitectures = "native";
  SystemCallFilter = "@system-service";
  SystemCallErrorNumber = "EPERM";
}
// lib.optionalAttrs strict {
  # The others are ignored, or refused, without this one. Those that keep root from something are left out: no user is root.
  PrivateUsers = true;
  ProtectSystem = "strict";
  ProtectHome = "read-only";
  # Outside of all this, because the folder has to be there to be left open.
  ExecStartPre = "+${mkdir} -p -m 700 ${quote stateDir}";
  ReadWritePaths = quote "-${stateDir}";
  PrivateTmp = true;
  PrivateDevices = true;
  ProtectControlGroups = true;
  CapabilityBoundingSet = "";
}
