// 64 logins at once with a configuration that has just been made: discovery, code exchange, verified ID token.

import * as client from "openid-client";

const issuer = process.argv[2];
const insecure = { execute: [client.allowInsecureRequests, client.enableNonRepudiationChecks] };

async function login(number) {
  const config = await client.discovery(
    new URL(issuer),
    "benchmark-client.apps.example",
    undefined,
    client.ClientSecretPost("secret"),
    insecure,
  );
  const nonce = `nonce-${number}`;
  const callback = new URL(`https://app.example.com/auth/callback?code=${nonce}&state=s`);
  await client.authorizationCodeGrant(config, callback, { expectedNonce: nonce, expectedState: "s" });
}

async function shared() {
  const config = await client.discovery(
    new URL(issuer),
    "benchmark-client.apps.example",
    undefined,
    client.ClientSecretPost("secret"),
    insecure,
  );
  await Promise.all(
    Array.from({ length: 64 }, (_, number) => {
      const nonce = `nonce-${number}`;
      const callback = new URL(`https://app.example.com/auth/callback?code=${nonce}&state=s`);
      return client.authorizationCodeGrant(config, callback, { expectedNonce: nonce, expectedState: "s" });
    }),
  );
}

await (process.argv[3] === "shared" ? shared() : Promise.all(Array.from({ length: 64 }, (_, number) => login(number))));
