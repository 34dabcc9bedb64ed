// Takes a token with @azure/identity's ManagedIdentityCredential.
//
//   node identity.mjs [PATH [INTERVAL_MS COUNT]]

import { renameSync, writeFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { ManagedIdentityCredential } from "@azure/identity";

const [path, interval, count] = process.argv.slice(2);
const credential = new ManagedIdentityCredential();
for (let turn = 1; ; ++turn) {
  const { token } = await credential.getToken("https://node.example/.default");
  if (path) {
    writeFileSync(`${path}.tmp`, token, { mode: 0o600 });
    renameSync(`${path}.tmp`, path);
  } else {
    process.stdout.write(token);
  }
  if (turn === Number(count ?? 1)) break;
  await setTimeout(Number(interval));
}
