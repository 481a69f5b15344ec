import { expect, test } from "vitest";
import { childEnvironment } from "../src/child-environment.ts";

test("childEnvironment() passes on where things are and what was named, and no key", () => {
  const env = {
    PATH: "/bin",
    HOME: "/home/ana",
    LANG: "",
    KAPSO_API_KEY: "sk-4711",
    NOTIFY_SOCKET: "/run/n",
  };

  expect(childEnvironment(env)).toEqual({ PATH: "/bin", HOME: "/home/ana" });
  expect(childEnvironment(env, ["NOTIFY_SOCKET"])).toEqual({
    PATH: "/bin",
    HOME: "/home/ana",
    NOTIFY_SOCKET: "/run/n",
  });
});
