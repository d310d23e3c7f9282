// A real OpenID Provider, for the integration tests: oidc-provider, which the OpenID Foundation has certified.
//
//     node server.mjs [port]
//
// It listens on 127.0.0.1, prints one line of JSON when it is ready, {"issuer":"http://127.0.0.1:PORT"}, and ends when its
// standard input does, so that it cannot outlive the test that started it. Whoever comes is signed in as ada and grants
// everything: a plain HTTP client that keeps cookies and follows redirects gets to the redirect URI.

import { createServer } from 'node:http';
import { Provider } from 'oidc-provider';

const ADA = {
  sub: 'ada',
  email: 'ada@example.com',
  email_verified: true,
  name: 'Ada Lovelace',
  picture: 'https://example.com/ada.png',
};

const REDIRECT_URIS = ['http://127.0.0.1/callback', 'http://127.0.0.1:8080/callback'];

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

const CONFIGURATION = {
  clients: CLIENTS,
  clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'none'],
  scopes: ['openid', 'offline_access', 'profile', 'email'],
  claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name', 'picture'] },
  // Claims are at UserInfo unless there is no access token.
  conformIdTokenClaims: true,
  pkce: { required: () => true },
  rotateRefreshToken: true,
  // A client may have a refresh token if it may use one, whether it asked for offline_access or not.
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, RefreshToken: 3600, Interaction: 600, Session: 600, Grant: 3600 },
  cookies: { keys: ['only-for-tests'] },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    revocation: { enabled: true, allowedPolicy: (_ctx, client, token) => token.clientId === client.clientId },
    userinfo: { enabled: true },
  },
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  findAccount: async (_ctx, id) => (id === ADA.sub ? { accountId: id, claims: async () => ADA } : undefined),
};

/** What a person would do on the pages for signing in and for consent. */
async function answer(provider, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: ADA.sub } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  const { missingOIDCScope = [], missingOIDCClaims = [] } = prompt.details;
  if (missingOIDCScope.length > 0) grant.addOIDCScope(missingOIDCScope.join(' '));
  if (missingOIDCClaims.length > 0) grant.addOIDCClaims(missingOIDCClaims);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

// The issuer names the port, which is known only once the server listens.
let handle = (_request, response) => response.writeHead(503).end();
const server = createServer((request, response) => handle(request, response));
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, CONFIGURATION);
  provider.on('server_error', (_ctx, error) => console.error(error));
  const callback = provider.callback();
  handle = (request, response) => {
    if (!request.url.startsWith('/interaction/')) return callback(request, response);
    answer(provider, request, response).catch((error) => {
      console.error(error);
      response.writeHead(500, { 'content-type': 'text/plain' }).end(error.message);
    });
  };
  console.log(JSON.stringify({ issuer }));
});

process.stdin.on('end', () => process.exit(0)).on('error', () => process.exit(0)).resume();
