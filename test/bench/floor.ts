import { createServer } from "node:http";
import { WebSocket } from "ws";

/** What the bridge can at best come close to: takes a POST, writes one WebSocket frame, answers 200. Keeps nothing. */
const [gatewayUrl = ""] = process.argv.slice(2);
const socket = new WebSocket(gatewayUrl, { perMessageDeflate: false });
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    socket.send(Buffer.concat(chunks));
    response.writeHead(200).end("OK");
  });
});
socket.once("open", () => {
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    process.stdout.write(`${typeof address === "object" ? address?.port : 0}\n`);
  });
});
