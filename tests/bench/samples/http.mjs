// Takes a token with Node's own http module and JSON.parse.
//
//   node http.mjs [PATH]

import { renameSync, writeFileSync } from "node:fs";
import { get } from "node:http";

const url = "http://169.254.169.254/metadata/identity/oauth2/token" +
    "?api-version=2018-02-01&resource=https%3A%2F%2Fnode-http.example%2F";
const path = process.argv[2];
get(url, { headers: { Metadata: "true" } }, (answer) => {
  let body = "";
  answer.setEncoding("utf8");
  answer.on("data", (part) => { body += part; });
  answer.on("end", () => {
    if (answer.statusCode !== 200) throw new Error(`HTTP status ${answer.statusCode}`);
    const token = JSON.parse(body).access_token;
    if (path) {
      writeFileSync(`${path}.tmp`, token, { mode: 0o600 });
      renameSync(`${path}.tmp`, path);
    } else {
      process.stdout.write(token);
    }
  });
});
