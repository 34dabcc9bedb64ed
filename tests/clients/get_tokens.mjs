// Takes tokens with @azure/identity from whatever the environment's variables name, or else from
// what answers at the metadata service's real address. Cases come as JSON in the first argument;
// results go to standard output as JSON, for run.py to verify (it never prints the tokens).

import { ManagedIdentityCredential, WorkloadIdentityCredential } from "@azure/identity";

const kinds = { managed: ManagedIdentityCredential, workload: WorkloadIdentityCredential };
const results = [];
for (const { name, kind, options, scope } of JSON.parse(process.argv[2])) {
  try {
    const credential = new kinds[kind](options);
    const { token, expiresOnTimestamp } = await credential.getToken(scope);
    results.push({ name, token, expiresOn: Math.round(expiresOnTimestamp / 1000) });
  } catch (error) {
    results.push({ name, error: `${error.name}: ${error.message}` });
  }
}
console.log(JSON.stringify(results));
