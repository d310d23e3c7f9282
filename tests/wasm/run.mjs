// Runs the module in Node.js against the emulator and against a server that misbehaves. `cargo xtask wasm` calls it with the module that
// wasm-bindgen wrote, and the command-line tool.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createVerify, generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { gzipSync } from "node:zlib";

const [module, tool] = [process.env.OAUTH_WASM_MODULE, process.env.OAUTH_TOOL];
const wasm = createRequire(import.meta.url)(module);

let emulator, providers, origin, server, local, seen;

before(async () => {
  emulator = spawn(tool, ["serve-emulator", "--port", "0", "--lenient", "--json"], { stdio: ["ignore", "pipe", "inherit"] });
  let text = "";
  for await (const part of emulator.stdout) {
    text += part;
    try {
      ({ origin, providers } = JSON.parse(text));
      break;
    } catch {
      // Not all of it yet.
    }
  }
  server = createServer(answer);
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  local = `http://127.0.0.1:${server.address().port}`;
});

after(() => {
  emulator?.kill();
  server?.closeAllConnections();
  server?.close();
});

async function answer(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  seen = { method: request.method, headers: request.headers, body: Buffer.concat(parts).toString(), closed: false };
  response.on("close", () => (seen.closed = true));
  const path = request.url.split("?")[0];
  if (path === "/redirect") return response.writeHead(302, { location: "/elsewhere" }).end();
  if (path === "/large") {
    response.writeHead(200);
    const part = Buffer.alloc(64 * 1024, "a");
    const more = () => response.destroyed || response.write(part, more);
    return more();
  }
  if (path === "/declared") return response.writeHead(200, { "content-length": 9_000_000 }).write("a");
  if (path === "/silent") return;
  if (path === "/begun") return response.writeHead(200).write("a");
  if (path === "/gzip") {
    const body = gzipSync("plain text");
    return response.writeHead(200, { "content-encoding": "gzip", "content-length": body.length }).end(body);
  }
  if (path === "/most") return response.writeHead(200).end(Buffer.alloc(1024 * 1024));
  if (path.startsWith("/appleid.apple.com/")) {
    const reply = { access_token: "token", token_type: "Bearer", expires_in: 3600, id_token: "a.b.c" };
    return response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(reply));
  }
  response.writeHead(200, { "set-cookie": "session=1; Path=/" }).end("seen");
}

// What a browser and its user do: the page, the form, and where that leads.
async function browse(url) {
  const opened = await fetch(url.replace("https://", `${origin}/`), { redirect: "manual" });
  const page = await opened.text();
  if (opened.status === 302 || opened.status === 303) return opened.headers.get("location");
  const hidden = (name) => page.match(new RegExp(`name="${name}"[^>]*value="([^"]*)"`))?.[1] ?? "";
  const action = page.match(/<form[^>]*action="([^"]*)"/)[1];
  const form = new URLSearchParams({ decision: "allow" });
  for (const name of ["consent", "csrf", "user"]) form.set(name, hidden(name).replaceAll("&amp;", "&"));
  const cookie = opened.headers.get("set-cookie")?.split(";")[0] ?? "";
  const posted = await fetch(new URL(action, `${origin}/`), {
    method: "POST",
    redirect: "manual",
    headers: { cookie },
    body: form,
  });
  return posted.headers.get("location");
}

const sent = async (path, { method = "GET", body = "", limit = 20_000 } = {}) =>
  JSON.parse(await wasm.send(method, path.startsWith("http") ? path : local + path, body, limit));

const signedIn = async (provider, sign) => {
  const { client_id, client_secret } = providers[provider];
  return JSON.parse(await sign(origin, client_id, client_secret, "http://127.0.0.1:3000/callback", browse));
};

test("a user signs in with GitHub", async () => {
  const user = await signedIn("github", wasm.github);
  assert.ok(user.subject);
});

test("a user signs in with Google, and RustCrypto verifies the ID token", async () => {
  const user = await signedIn("google", wasm.google);
  assert.equal(user.claims.sub, user.subject);
  assert.equal(user.issuer, "https://accounts.google.com");
  assert.ok(user.expires);
});

test("a user signs in with a provider that is discovered", async () => {
  const issuer = "https://accounts.google.com";
  const user = await signedIn("google", (...rest) => wasm.discovered(issuer, ...rest));
  assert.equal(user.claims.iss, issuer);
});

test("Apple is sent a client secret that its key signed", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  // What comes back is no ID token, so the login fails; what was sent is looked at.
  await wasm.apple(local, privateKey.export({ type: "pkcs8", format: "pem" })).catch(() => {});
  const [header, claims, signature] = new URLSearchParams(seen.body).get("client_secret").split(".");
  const verify = createVerify("sha256").update(`${header}.${claims}`);
  const key = { key: publicKey, dsaEncoding: "ieee-p1363" };
  assert.ok(verify.verify(key, Buffer.from(signature, "base64url")));
  const { exp, sub } = JSON.parse(Buffer.from(claims, "base64url"));
  assert.equal(sub, "com.example.app");
  assert.ok(Math.abs(exp - 300 - Date.now() / 1000) < 10);
});

test("random bytes and clocks are there", () => wasm.platform());

test("a request is sent as it is", async () => {
  const reply = await sent("/echo", { method: "POST", body: "a=b" });
  assert.deepEqual([reply.status, reply.body], [200, "seen"]);
  assert.equal(seen.method, "POST");
  assert.equal(seen.body, "a=b");
  assert.equal(seen.headers["x-test"], "one");
});

test("a redirect is not followed", async () => {
  const reply = await sent("/redirect");
  assert.deepEqual([reply.status, reply.location], [302, "/elsewhere"]);
});

test("a reply of the largest size is read, and a larger one is not", async () => {
  assert.equal((await sent("/most")).length, 1024 * 1024);
  for (const path of ["/large", "/declared"]) {
    const reply = await sent(path);
    assert.deepEqual([reply.kind, reply.status], ["TooLarge", 200], path);
    // The rest is not waited for.
    await new Promise((later) => setTimeout(later, 200));
    assert.ok(seen.closed, path);
  }
});

test("a request ends when its time has passed", async () => {
  for (const path of ["/silent", "/begun"]) {
    const begun = Date.now();
    const reply = await sent(path, { limit: 300 });
    assert.equal(reply.kind, "Timeout", path);
    assert.ok(Date.now() - begun < 5_000, path);
  }
});

test("no cookie is kept", async () => {
  await sent("/cookie");
  await sent("/cookie");
  assert.equal(seen.headers.cookie, undefined);
});

test("a compressed reply is plain text and says nothing else", async () => {
  const reply = await sent("/gzip");
  assert.deepEqual([reply.body, reply.encoding], ["plain text", null]);
});

test("a server that is not there is an error that says so", async () => {
  const reply = await sent("http://127.0.0.1:9/?secret=hush");
  assert.equal(reply.kind, "Connect");
  assert.ok(!reply.text.includes("hush"), reply.text);
});

test("where requests do not know of cookies, as in Cloudflare Workers, they are made without the word", async () => {
  const RealRequest = globalThis.Request;
  const known = Object.getOwnPropertyDescriptor(RealRequest.prototype, "credentials");
  globalThis.Request = class extends RealRequest {
    constructor(url, init) {
      if ("credentials" in init) throw new Error("The 'credentials' field on 'RequestInitializerDict' is not implemented.");
      super(url, init);
      Object.defineProperty(this, "credentials", { value: undefined });
    }
  };
  try {
    assert.equal((await sent("/echo")).status, 200);
  } finally {
    globalThis.Request = RealRequest;
    assert.ok(known);
  }
});

test("where there is no fetch, the error says so", async () => {
  const real = globalThis.fetch;
  delete globalThis.fetch;
  try {
    assert.match((await sent("/echo")).text, /no function fetch/);
  } finally {
    globalThis.fetch = real;
  }
});

test("an error names no query of a URL, whatever the platform says", async () => {
  // Node.js names a URL that it cannot read.
  const { kind, text } = await sent("http://1.2.3.256/token?client_secret=hush");
  assert.equal(kind, "InvalidRequest");
  assert.match(text, /1\.2\.3\.256/);
  assert.doesNotMatch(text, /hush/);
});
