// Exchanges a code so many times, so many at once, and prints wall and processor time for each in nanoseconds.

import * as client from "openid-client";

const [url, count, atOnce] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const metadata = { issuer: "https://as.example", token_endpoint: url };
const config = new client.Configuration(
  metadata,
  "benchmark-client.apps.example",
  undefined,
  client.ClientSecretPost("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"),
);
client.allowInsecureRequests(config);

async function exchange() {
  const callback = new URL("https://app.example.com/auth/callback?code=4%2F0AeaYSHBz1pQ6wX3cV8nM2kL5jH7gF9dS&state=s");
  const token = await client.authorizationCodeGrant(config, callback, {
    pkceCodeVerifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    expectedState: "s",
  });
  if (token.access_token.length !== 60) throw new Error("another token");
}

async function some(number) {
  for (let done = 0; done < number; done += 1) await exchange();
}

await some(50);
const each = Math.max(Math.floor(count / atOnce), 1);
const [processor, wall] = [process.cpuUsage(), process.hrtime.bigint()];
await Promise.all(Array.from({ length: atOnce }, () => some(each)));
const took = [Number(process.hrtime.bigint() - wall), process.cpuUsage(processor)];
const done = each * atOnce;
console.log(JSON.stringify([took[0] / done, ((took[1].user + took[1].system) * 1000) / done]));
