import { defineConfig } from "vitest/config";

const bridge = {
  name: "bridge",
  include: ["test/**/*.test.ts"],
  exclude: ["test/openclaw/**", "test/bin/**", "test/container/**"],
  testTimeout: 30_000,
};
// The real gateway: takes a minute to install and ten seconds to start, so it runs apart and one file at a time.
const openclaw = {
  name: "openclaw",
  include: ["test/openclaw/**/*.test.ts"],
  testTimeout: 180_000,
  hookTimeout: 120_000,
  fileParallelism: false,
};

// The single-file programs: they have to be built first.
const bin = { name: "bin", include: ["test/bin/**/*.test.ts"], testTimeout: 60_000 };
// Mounts and namespaces: as root, on Linux.
const container = { name: "container", include: ["test/container/**/*.test.ts"], testTimeout: 60_000 };

export default defineConfig({
  test: { projects: [{ test: bridge }, { test: openclaw }, { test: bin }, { test: container }] },
});
