import manifest from "../package.json" with { type: "json" };

/** The one place that says it is package.json. */
export const VERSION: string = manifest.version;
