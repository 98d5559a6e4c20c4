// A small web server for the examples: reads $PORT, and finishes what is in flight before it ends.
"use strict";
const http = require("node:http");

const server = http.createServer((request, response) => {
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`hello from ${process.env.CLUSTERCTL_WORKER}, pid ${process.pid}\n`);
});
server.listen(Number(process.env.PORT), "127.0.0.1", () => console.log("ready"));
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections?.();
});
