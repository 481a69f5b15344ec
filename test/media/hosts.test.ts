import { describe, expect, test } from "vitest";
import { mayReach, MEDIA_HOSTS } from "../../src/media/hosts.ts";

const policy = {
  hosts: [...MEDIA_HOSTS, "Files.Example"],
  allowPrivate: ["127.0.0.1:8080", "localhost:443"],
};
const may = (url: string) => mayReach(new URL(url), policy);

describe("mayReach()", () => {
  test.each([
    "https://api.kapso.ai/media/1",
    "https://APP.kapso.ai:443/x",
    "https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1",
    "https://scontent.xx.fbcdn.net/v/1",
    "https://mmg.whatsapp.net/1",
    "https://kapso-ai-prod.d77f1e59818b5ed2ec009d1a9116b255.r2.cloudflarestorage.com/1",
    "https://files.example/1",
    "http://127.0.0.1:8080/1",
    "https://localhost/1",
  ])("%s: yes", (url) => {
    expect(may(url)).toBe(true);
  });

  test.each([
    "http://api.kapso.ai/media/1",
    "https://api.kapso.ai:8443/media/1",
    "https://api.kapso.ai./media/1",
    "https://kapso.ai/1",
    "https://evil.kapso.ai/1",
    "https://api.kapso.ai.evil.example/1",
    "https://api.kapso.ai@evil.example/1",
    "https://key@api.kapso.ai/1",
    "https://fbcdn.net/1",
    "https://evilfbcdn.net/1",
    "https://kapso-ai-prod.0123456789abcdef0123456789abcdef.r2.cloudflarestorage.com/1",
    "https://other.d77f1e59818b5ed2ec009d1a9116b255.r2.cloudflarestorage.com/1",
    "http://127.0.0.1:8081/1",
    "http://127.0.0.1/1",
    "http://localhost:443@evil.example/1",
    "https://2130706433/1",
    "ftp://files.example/1",
    "file:///etc/passwd",
    "data:text/plain,x",
  ])("%s: no", (url) => {
    expect(may(url)).toBe(false);
  });
});
