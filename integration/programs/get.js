// Fetches a URL and prints its body, or the error's code and message.
const http = require("http");
http.get(process.argv[2], (reply) => {
  reply.setEncoding("utf8");
  reply.on("data", (text) => process.stdout.write(text));
}).on("error", (error) => {
  console.error(`${error.code}: ${error.message}`);
  process.exit(1);
});
