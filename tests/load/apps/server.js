// The same answers as server.py's, for Node: listens on descriptor 3 if it was given one, else on $PORT.
"use strict";
const http = require("http");

const name = `${process.env.VERSION || "1"} pid=${process.pid}`;
let ending = false;

function answer(response, body) {
  const headers = { "Content-Length": Buffer.byteLength(body), "X-Worker": name };
  if (ending) headers.Connection = "close";
  response.writeHead(200, headers);
  response.end(body);
}

function stream(response, seconds) {
  response.writeHead(200, { "X-Worker": name });
  let number = 0;
  const until = Date.now() + seconds * 1000;
  const timer = setInterval(() => {
    if (Date.now() < until) return response.write(`${number++}\n`);
    clearInterval(timer);
    return response.end("end\n");
  }, 50);
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, "http://x");
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    if (url.pathname === "/echo") return answer(response, Buffer.concat(parts));
    if (url.pathname === "/stream") return stream(response, Number(url.searchParams.get("seconds")));
    const wait = url.pathname === "/slow" ? Number(url.searchParams.get("ms")) : 0;
    return setTimeout(() => answer(response, `ok ${name}`), wait);
  });
});

server.on("upgrade", (request, socket) => {
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Worker: ${name}\r\n\r\n`);
  socket.on("error", () => {});
  socket.pipe(socket);
});

server.keepAliveTimeout = 60000;
server.listen(process.env.LISTEN_FDS ? { fd: 3 } : { port: Number(process.env.PORT), host: "127.0.0.1" });
process.on("SIGTERM", () => {
  ending = true;
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});
