// Takes tokens with @azure/identity's ManagedIdentityCredential from whatever answers at the
// metadata service's real address. Cases come as JSON in the first argument; results go to
// standard output as JSON, for run.py to verify (it never prints the tokens).

import { ManagedIdentityCredential } from "@azure/identity";

const results = [];
for (const { name, options, scope } of JSON.parse(process.argv[2])) {
  const credential = new ManagedIdentityCredential(options);
  try {
    const { token, expiresOnTimestamp } = await credential.getToken(scope);
    results.push({ name, token, expiresOn: Math.round(expiresOnTimestamp / 1000) });
  } catch (error) {
    results.push({ name, error: `${error.name}: ${error.message}` });
  }
}
console.log(JSON.stringify(results));
