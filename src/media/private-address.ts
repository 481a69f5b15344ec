import { isIP } from "node:net";
import ipaddr from "ipaddr.js";

/** IPv6 that an IPv4-only host is reached by: https://www.rfc-editor.org/rfc/rfc6052#section-2.1 */
const NAT64 = ipaddr.IPv6.parse("64:ff9b::");

/**
 * True for an address that no name of the internet has a reason to lead to: of this machine, of its network or its
 * provider's, of a group, or of nobody. Also for IPv6 that only wraps such an IPv4, and for what is no address.
 */
export function isPrivateAddress(address: string): boolean {
  // ipaddr.js reads octal and short forms too, which nobody resolves to.
  if (isIP(address) === 0) return true;
  const ip = ipaddr.parse(address);
  if (ip instanceof ipaddr.IPv4) return ip.range() !== "unicast";
  const bytes = ip.toByteArray();
  const range = ip.range();
  if (range === "ipv4Mapped" || ip.match(NAT64, 96)) return isPrivateAddress(bytes.slice(12).join("."));
  if (range === "6to4") return isPrivateAddress(bytes.slice(2, 6).join("."));
  // All that was ever given out: https://www.iana.org/assignments/ipv6-unicast-address-assignments
  const isGiven = ip.match(ipaddr.IPv6.parse("2000::"), 3);
  return range !== "unicast" || !isGiven;
}
