// Reads token replies from its input as JSON, and writes what openid-client makes of each.

import * as client from "openid-client";

async function input() {
  let text = "";
  for await (const piece of process.stdin.setEncoding("utf8")) text += piece;
  return JSON.parse(text);
}

async function read(reply) {
  const metadata = { issuer: "https://as.example", token_endpoint: "https://as.example/token" };
  const config = new client.Configuration(metadata, "id", undefined, client.ClientSecretPost("secret"));
  config[client.customFetch] = async () => {
    const headers = reply.content_type === null ? {} : { "content-type": reply.content_type };
    // Bytes, because a text would bring a type of its own.
    const body = reply.status === 204 ? null : new TextEncoder().encode(reply.body);
    return new Response(body, { status: reply.status, headers });
  };
  const callback = new URL("https://app.example/callback?code=code&state=state");
  const checks = { expectedState: "state", pkceCodeVerifier: "a-code-verifier-of-at-least-forty-three-characters" };
  try {
    const tokens = await client.authorizationCodeGrant(config, callback, checks);
    return {
      access_token: tokens.access_token,
      refresh_token: tokens.refresh_token,
      token_type: tokens.token_type,
      expires_in: tokens.expires_in,
      refused: false,
    };
  } catch (error) {
    return { refused: true, code: error.error };
  }
}

const readings = [];
for (const reply of await input()) readings.push(await read(reply));
console.log(JSON.stringify(readings));
