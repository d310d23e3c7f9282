// A real OpenID Provider, for the integration tests: oidc-provider, which the OpenID Foundation has certified.
//
//     node server.mjs [port] [folder]
//
// The folder holds what TLS needs: key.pem and cert.pem for the server, ca.pem for the clients that authenticate themselves with a certificate.
// With it, the server also listens for them, and names those addresses in mtls_endpoint_aliases.
//
// It listens on 127.0.0.1, prints one line of JSON when it is ready, {"issuer":"http://127.0.0.1:PORT"}, and ends when its
// standard input does, so that it cannot outlive the test that started it. Whoever comes is signed in as ada, grants
// everything, and signs out when asked: a plain HTTP client that keeps cookies, follows redirects and posts forms gets
// everywhere. At /control/ a test changes what runs: see `control`.

import { generateKeyPair, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Provider, errors } from 'oidc-provider';
import { createMemoryAdapter } from 'oidc-provider/lib/adapters/memory_adapter.js';

const ADA = {
  sub: 'ada',
  email: 'ada@example.com',
  email_verified: true,
  name: 'Ada Lovelace',
  picture: 'https://example.com/ada.png',
};

/** What an authentication is worth here. There is nothing better than two factors. */
const PASSWORD = 'urn:example:password';
const TWO_FACTORS = 'urn:example:two-factors';

const REDIRECT_URIS = ['http://127.0.0.1/callback', 'http://127.0.0.1:8080/callback'];

const INITIAL_ACCESS_TOKEN = 'may-register';

const client = (id, more) => ({
  client_id: id,
  // For native applications the port of a loopback redirect URI is free (RFC 8252 section 7.3).
  application_type: 'native',
  redirect_uris: REDIRECT_URIS,
  post_logout_redirect_uris: REDIRECT_URIS,
  grant_types: ['authorization_code', 'refresh_token'],
  response_types: ['code'],
  ...more,
});

const CLIENTS = [
  client('basic', {
    token_endpoint_auth_method: 'client_secret_basic',
    // Each of these characters is another byte once it is form-encoded, as RFC 6749 section 2.3.1 demands.
    client_secret: 's3cret+/=:%~ &?',
  }),
  client('post', { token_endpoint_auth_method: 'client_secret_post', client_secret: 'post-s3cret' }),
  client('public', { token_endpoint_auth_method: 'none' }),
];

const SIGNING = ['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519', 'HS256'];
const KEY_ENCRYPTION = ['RSA-OAEP', 'RSA-OAEP-256', 'ECDH-ES', 'ECDH-ES+A128KW', 'ECDH-ES+A256KW', 'dir'];
const CONTENT_ENCRYPTION = ['A128GCM', 'A256GCM', 'A128CBC-HS256', 'A256CBC-HS512'];

/** The APIs that access tokens can be for (RFC 8707). */
const RESOURCES = {
  'https://api.example/opaque': { scope: 'read write', accessTokenFormat: 'opaque', accessTokenTTL: 300 },
  'https://api.example/jwt': {
    scope: 'read write',
    accessTokenFormat: 'jwt',
    accessTokenTTL: 300,
    jwt: { sign: { alg: 'ES256' } },
  },
};

/** Clients whose name begins so are held to FAPI 2.0. */
const FAPI = 'fapi';

/** The aliases of endpoints for clients with a certificate (RFC 8705 section 5), once they are known. */
const discovery = {};

/** Whether DPoP proofs need a nonce. */
let wantsNonces = false;

/** The ids of requests for authentication on another device that wait for an answer. */
const waiting = [];

const CONFIGURATION = {
  discovery,
  // One memory for all providers that `rotate` makes.
  adapter: createMemoryAdapter(),
  clients: CLIENTS,
  clientAuthMethods: [
    'client_secret_basic',
    'client_secret_post',
    'client_secret_jwt',
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
    'none',
  ],
  responseTypes: ['code', 'code id_token'],
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'picture'] },
  acrValues: [PASSWORD, TWO_FACTORS],
  // Claims are at UserInfo unless there is no access token.
  conformIdTokenClaims: true,
  pkce: { required: () => true },
  rotateRefreshToken: true,
  // A client may have a refresh token if it may use one, whether it asked for offline_access or not.
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, RefreshToken: 3600, ClientCredentials: 600, BackchannelAuthenticationRequest: 120, DeviceCode: 120, Interaction: 600, Session: 600, Grant: 3600 },
  cookies: { keys: ['only-for-tests'] },
  enabledJWA: {
    idTokenSigningAlgValues: SIGNING,
    userinfoSigningAlgValues: SIGNING,
    authorizationSigningAlgValues: SIGNING,
    clientAuthSigningAlgValues: SIGNING,
    introspectionSigningAlgValues: SIGNING,
    requestObjectSigningAlgValues: SIGNING,
    dPoPSigningAlgValues: ['ES256', 'ES384', 'PS256', 'EdDSA', 'Ed25519'],
    authorizationEncryptionAlgValues: KEY_ENCRYPTION,
    authorizationEncryptionEncValues: CONTENT_ENCRYPTION,
    requestObjectEncryptionAlgValues: KEY_ENCRYPTION,
    requestObjectEncryptionEncValues: CONTENT_ENCRYPTION,
    idTokenEncryptionAlgValues: KEY_ENCRYPTION,
    idTokenEncryptionEncValues: CONTENT_ENCRYPTION,
    userinfoEncryptionAlgValues: KEY_ENCRYPTION,
    userinfoEncryptionEncValues: CONTENT_ENCRYPTION,
  },
  features: {
    backchannelLogout: { enabled: true },
    ciba: {
      enabled: true,
      deliveryModes: ['poll', 'ping'],
      triggerAuthenticationDevice: async (_ctx, request) => {
        waiting.push(request.jti);
      },
      validateRequestContext: async () => undefined,
      processLoginHintToken: async () => undefined,
      processLoginHint: async (_ctx, hint) => ([ADA.sub, ADA.email].includes(hint) ? ADA.sub : undefined),
      verifyUserCode: async () => undefined,
    },
    claimsParameter: { enabled: true },
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    deviceFlow: { enabled: true },
    dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => wantsNonces },
    encryption: { enabled: true },
    introspection: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    fapi: { enabled: true, profile: (_ctx, client) => (client?.clientName?.startsWith(FAPI) ? '2.0' : undefined) },
    jwtIntrospection: { enabled: true },
    jwtResponseModes: { enabled: true },
    jwtUserinfo: { enabled: true },
    mTLS: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
      certificateAuthorized: (ctx) => ctx.socket.authorized,
      certificateSubjectMatches: (ctx, property, expected) =>
        property === 'tls_client_auth_subject_dn' && ctx.socket.getPeerX509Certificate().subject === expected,
    },
    pushedAuthorizationRequests: { enabled: true },
    registration: { enabled: true, initialAccessToken: INITIAL_ACCESS_TOKEN },
    registrationManagement: { enabled: true, rotateRegistrationAccessToken: true },
    requestObjects: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: async (_ctx, resource) => {
        if (!RESOURCES[resource]) throw new errors.InvalidTarget();
        return RESOURCES[resource];
      },
      // A token request without a resource gets the one that was granted.
      useGrantedResource: async () => true,
    },
    richAuthorizationRequests: {
      enabled: true,
      types: {
        payment_initiation: {
          validate: async (_ctx, detail) => {
            if (!detail.instructedAmount) throw new errors.InvalidAuthorizationDetails('instructedAmount is missing');
          },
        },
      },
      // What was granted is what was asked, with the account that the user chose.
      authorizationDetailsForGrantSource: async (ctx) => enriched(ctx.oidc.params.authorization_details),
      authorizationDetailsForAccessToken: async (ctx, _token, source) =>
        source?.rar ?? enriched(ctx.oidc.params.authorization_details),
      authorizationDetailsForIntrospection: async (_ctx, token) => token.rar,
    },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: async (ctx, form) => {
        const yes = '<input type="hidden" name="logout" value="yes"/></form>';
        ctx.body = `<!DOCTYPE html><title>Sign out</title>${form.replace('</form>', yes)}`;
      },
    },
    userinfo: { enabled: true },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: async (_ctx, id) => (id === ADA.sub ? { accountId: id, claims: async () => ADA } : undefined),
  // The listeners of the tests are on this machine, which the provider would not call by itself.
  fetch: (url, { dispatcher: _guard, ...options }) => globalThis.fetch(url, options),
};

function enriched(text) {
  return text && JSON.parse(text).map((detail) => ({ ...detail, debtorAccount: { iban: 'DE75512108001245126199' } }));
}

const SIGNING_KEYS = [
  ['rsa', { modulusLength: 2048 }],
  ['ec', { namedCurve: 'P-256' }],
  ['ec', { namedCurve: 'P-384' }],
  ['ec', { namedCurve: 'P-521' }],
  ['ed25519', {}],
];

/** One private key of each kind. Their names are never used again. */
async function newKeys(kinds, use) {
  const generate = promisify(generateKeyPair);
  return Promise.all(
    kinds.map(async ([kind, options]) => {
      const { privateKey } = await generate(kind, options);
      return { ...privateKey.export({ format: 'jwk' }), kid: randomUUID(), use };
    }),
  );
}

/** What has happened so far: requests by method and path, and prompts of the user by name. */
const counts = { requests: {}, prompts: {} };

function count(of, name) {
  of[name] = (of[name] ?? 0) + 1;
}

/** What a person would do on the pages for signing in and for consent. */
async function answer(provider, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  count(counts.prompts, prompt.name);
  if (prompt.name === 'login') {
    const wanted = prompt.details.acr;
    const values = wanted?.values ?? (wanted?.value ? [wanted.value] : (params.acr_values?.split(' ') ?? []));
    const acr = values.includes(TWO_FACTORS) ? TWO_FACTORS : PASSWORD;
    if (wanted?.essential && !values.includes(acr)) {
      const error = 'unmet_authentication_requirements';
      return provider.interactionFinished(request, response, { error, error_description: 'There is nothing better here' });
    }
    return provider.interactionFinished(request, response, { login: { accountId: ADA.sub, acr, amr: ['pwd'] } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope = [], missingOIDCClaims = [], missingResourceScopes = {}, rar = [] } = prompt.details;
  if (missingOIDCScope.length > 0) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims.length > 0) grant.addOIDCClaims(missingOIDCClaims);
  for (const [resource, scopes] of Object.entries(missingResourceScopes)) grant.addResourceScope(resource, scopes.join(' '));
  for (const detail of rar) grant.addRar(detail);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

class Server {
  constructor(issuer) {
    this.issuer = issuer;
    this.keys = [];
  }

  /** Signs with new keys from now on, and still publishes those that it signed with just before. */
  async rotate() {
    const keys = await newKeys(SIGNING_KEYS, 'sig');
    // Another provider of the same issuer, with the same memory: the way in which a real one is restarted with other keys.
    const provider = new Provider(this.issuer, { ...CONFIGURATION, jwks: { keys: [...keys, ...this.keys] } });
    provider.on('server_error', (_ctx, error) => console.error(error));
    this.keys = keys;
    this.provider = provider;
    this.callback = provider.callback();
  }

  /** What the user says on the other device to all that is asked there. */
  async answerBackchannel(allow) {
    const { provider } = this;
    for (const id of waiting.splice(0)) {
      const request = await provider.BackchannelAuthenticationRequest.find(id);
      if (!allow) {
        await provider.backchannelResult(id, new errors.AccessDenied('the user refused'));
        continue;
      }
      const grant = new provider.Grant({ accountId: request.accountId, clientId: request.clientId });
      grant.addOIDCScope(request.scope);
      await provider.backchannelResult(id, await grant.save());
    }
  }

  /**
   * POST /control/rotate signs with other keys; GET /control/counts says what has happened; POST /control/client-keys makes
   * private keys for a client to decrypt with. POST /control/nonces demands a nonce in each DPoP proof from now on. POST /control/allow and
   * POST /control/deny answer what is asked on another device.
   */
  async control(request, response) {
    const json = (value) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    switch (`${request.method} ${request.url}`) {
      case 'POST /control/rotate':
        await this.rotate();
        return json({ keys: this.keys.map((key) => key.kid) });
      case 'GET /control/counts':
        return json(counts);
      case 'POST /control/nonces':
        wantsNonces = true;
        return json({});
      case 'POST /control/allow':
      case 'POST /control/deny':
        await this.answerBackchannel(request.url.endsWith('allow'));
        return json({});
      case 'POST /control/client-keys':
        return json({ keys: await newKeys(SIGNING_KEYS.slice(0, 2), 'enc') });
      default:
        return response.writeHead(404).end();
    }
  }

  async handle(request, response) {
    if (request.url.startsWith('/control/')) return this.control(request, response);
    count(counts.requests, `${request.method} ${request.url.split('?')[0]}`);
    if (request.url.startsWith('/interaction/')) return answer(this.provider, request, response);
    return this.callback(request, response);
  }
}

// The issuer names the port, which is known only once the server listens.
let handle = async (_request, response) => response.writeHead(503).end();
const onRequest = (request, response) => {
  handle(request, response).catch((error) => {
    // A browser that comes back to a page of yesterday is nothing to report.
    if (!(error instanceof errors.OIDCProviderError)) console.error(error);
    response.writeHead(500, { 'content-type': 'text/plain' }).end(error.message);
  });
};
const [, , port = 0, folder] = process.argv;
const listening = (listener, at) => new Promise((done) => listener.listen(at, '127.0.0.1', done));

const listener = createServer(onRequest);
await listening(listener, Number(port));
if (folder) {
  const [key, cert, ca] = ['key.pem', 'cert.pem', 'ca.pem'].map((name) => readFileSync(join(folder, name)));
  // A certificate that nobody knows is for the client's registration to know.
  const secure = createSecureServer({ key, cert, ca, requestCert: true, rejectUnauthorized: false }, onRequest);
  await listening(secure, 0);
  const origin = `https://127.0.0.1:${secure.address().port}`;
  discovery.mtls_endpoint_aliases = {
    token_endpoint: `${origin}/token`,
    revocation_endpoint: `${origin}/token/revocation`,
    introspection_endpoint: `${origin}/token/introspection`,
    userinfo_endpoint: `${origin}/me`,
    pushed_authorization_request_endpoint: `${origin}/request`,
    backchannel_authentication_endpoint: `${origin}/backchannel`,
    device_authorization_endpoint: `${origin}/device/auth`,
  };
}
const server = new Server(`http://127.0.0.1:${listener.address().port}`);
await server.rotate();
handle = (request, response) => server.handle(request, response);
console.log(JSON.stringify({ issuer: server.issuer }));

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
