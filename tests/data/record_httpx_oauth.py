"""Record what Python's httpx-oauth 0.17.0 sends and returns, for the compatibility test.

    pip install httpx-oauth==0.17.0 fastapi
    python tests/data/record_httpx_oauth.py

writes `httpx_oauth_0_17.json` next to this file.  Nothing leaves the process: httpx gets an in-memory
transport that serves the replies of each case, the clock stands still, and FranceConnect's nonce is fixed.

The file is one object: the versions and the fixed values used, `exceptions` (each class of httpx-oauth with
its bases), `bodies` (documents that many cases serve), and `cases`, one a line:

    id         "provider/method/what is special", unique
    provider   the word under which CLIENTS below knows the client class; also "token" (OAuth2Token) and "fastapi"
               (the callback, with a GitHub client, in an application that names its route "callback")
    new        constructor arguments, by name, to add to (or to replace those of) `new_defaults`
    settings   optional: `request_headers` were added to the attribute of that name after construction,
               `client_headers` were set on the client that an overridden `get_httpx_client` returns
    method     "new" (construct and list the attributes) or a method of the client
    args       arguments, by name; `args_after` appears if the call changed them
    replies    what the server answers, in order: status, headers, and `body` (or `body_base64` where it is not
               UTF-8, or `body_name`, a member of `bodies`); `{"fail": "ConnectError"}` breaks the connection instead
    requests   what was sent, in order: method, URL without query, query pairs, the headers in HEADERS, and the
               pairs of the form if there is a body.  For openid and okta the first reply and the first
               request are those of the discovery, which the constructor does.
    result     {"ok": value} or {"error": {class, message}}, with `leak` where the class is not one of httpx-oauth's
               and `response_status` where the exception carries the response.  An authorization URL is
               given as {"url", "query"}.
               The message of a leak is Python's own and may differ in another version of Python.
"""

import asyncio
import base64
import copy
import functools
import importlib.metadata
import json
import pathlib
import platform
from unittest import mock
from urllib.parse import parse_qsl, urlsplit

import fastapi
import httpx
from fastapi.exception_handlers import http_exception_handler

from httpx_oauth import exceptions, oauth2
from httpx_oauth.clients import facebook, openid
from httpx_oauth.clients.discord import DiscordOAuth2
from httpx_oauth.clients.facebook import FacebookOAuth2
from httpx_oauth.clients.franceconnect import FranceConnectOAuth2
from httpx_oauth.clients.github import GitHubOAuth2
from httpx_oauth.clients.google import GoogleOAuth2
from httpx_oauth.clients.kakao import KakaoOAuth2
from httpx_oauth.clients.linkedin import LinkedInOAuth2
from httpx_oauth.clients.microsoft import MicrosoftGraphOAuth2
from httpx_oauth.clients.naver import NaverOAuth2
from httpx_oauth.clients.okta import OktaOAuth2
from httpx_oauth.clients.openid import OpenID
from httpx_oauth.clients.reddit import RedditOAuth2
from httpx_oauth.clients.shopify import ShopifyOAuth2
from httpx_oauth.integrations import fastapi as integration

VERSION = "0.17.0"
NOW = 1700000000
NONCE = "NONCE-FROM-TOKEN-URLSAFE"
OUTPUT = pathlib.Path(__file__).with_name("httpx_oauth_0_17.json")
HEADERS = ["accept", "content-type", "authorization", "x-shopify-access-token", "x-client", "x-request"]

CLIENTS = {
    "oauth2": oauth2.OAuth2,
    "openid": OpenID,
    "discord": DiscordOAuth2,
    "facebook": FacebookOAuth2,
    "franceconnect": FranceConnectOAuth2,
    "github": GitHubOAuth2,
    "google": GoogleOAuth2,
    "kakao": KakaoOAuth2,
    "linkedin": LinkedInOAuth2,
    "microsoft": MicrosoftGraphOAuth2,
    "naver": NaverOAuth2,
    "okta": OktaOAuth2,
    "reddit": RedditOAuth2,
    "shopify": ShopifyOAuth2,
}

# --- Running one case -------------------------------------------------------------------------------------------------

RealAsyncClient, RealClient = httpx.AsyncClient, httpx.Client


class BadCase(BaseException):
    """The case is wrong, not the library; not an Exception, so that no library code can catch it."""


def compact(value):
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def reply(status=200, body="", **headers):
    """A reply to serve: a str or bytes body as it is, anything else as JSON."""
    if not isinstance(body, (str, bytes)):
        body = compact(body)
        headers = {"content-type": "application/json", **headers}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, bytes):
        return {"status": status, "headers": headers, "body_base64": base64.b64encode(body).decode()}
    return {"status": status, "headers": headers, "body": body}


def fail(name="ConnectError"):
    return {"fail": name}


class Server:
    """Serves the replies in order and keeps what was asked."""

    def __init__(self, replies):
        self.replies, self.requests = list(replies), []

    def __call__(self, request):
        if not self.replies:
            raise BadCase(f"no reply left for {request.method} {request.url}")
        url, _, query = str(request.url).partition("#")[0].partition("?")
        sent = {"method": request.method, "url": url, "query": parse_qsl(query, keep_blank_values=True)}
        sent["headers"] = {name: request.headers[name] for name in HEADERS if name in request.headers}
        if request.content:
            sent["form"] = parse_qsl(request.content.decode(), keep_blank_values=True)
        self.requests.append(sent)

        served = self.replies.pop(0)
        if "fail" in served:
            raise getattr(httpx, served["fail"])("The connection failed.", request=request)
        if "body_base64" in served:
            body = base64.b64decode(served["body_base64"])
        else:
            body = (BODIES[served["body_name"]] if "body_name" in served else served["body"]).encode()
        return httpx.Response(served["status"], headers=served["headers"], content=body)


def build(case):
    """Construct the client of a case, with its settings."""
    client = CLIENTS[case["provider"]](**copy.deepcopy({**ID_SECRET, **case["new"]}))
    settings = case.get("settings", {})
    client.request_headers.update(settings.get("request_headers", {}))
    if "client_headers" in settings:
        client.get_httpx_client = lambda: httpx.AsyncClient(headers=settings["client_headers"])
    return client


def attributes(client):
    """What a constructed client knows."""
    names = ["name", "base_scopes", "authorize_endpoint", "access_token_endpoint", "refresh_token_endpoint"]
    names += ["revoke_token_endpoint", "token_endpoint_auth_method", "revocation_endpoint_auth_method"]
    names += ["request_headers", "display_name", "profile_endpoint"]
    return {name: getattr(client, name) for name in names if hasattr(client, name)}


async def call(case, args):
    """Do what a case says, and return its value in a form that JSON has."""
    if case["provider"] == "token":
        token = oauth2.OAuth2Token(args["token_dict"])
        return token if case["method"] == "new" else token.is_expired()
    if case["provider"] == "fastapi":
        return await call_fastapi(case, args)
    client = build(case)
    if case["method"] == "new":
        return attributes(client)
    value = await getattr(client, case["method"])(**args)
    if case["method"] == "get_authorization_url":
        return {"url": value, "query": parse_qsl(urlsplit(value).query, keep_blank_values=True)}
    return value


async def call_fastapi(case, args):
    """Send a browser's GET to a real application that depends on OAuth2AuthorizeCallback."""
    callback = integration.OAuth2AuthorizeCallback(GitHubOAuth2(**ID_SECRET), **case["new"])
    app, raised = fastapi.FastAPI(), []

    @app.get("/callback", name="callback")
    async def route(token_and_state=fastapi.Depends(callback)):
        return {"token": token_and_state[0], "state": token_and_state[1]}

    @app.exception_handler(integration.OAuth2AuthorizeCallbackError)
    async def handler(request, exception):
        raised.append(exception)
        return await http_exception_handler(request, exception)

    async with RealAsyncClient(transport=httpx.ASGITransport(app)) as browser:
        response = await browser.get(args["url"])
    if raised:
        raise raised[0]
    return {"status": response.status_code, "body": response.json()}


def describe(exception):
    """An exception in a form that JSON has."""
    found = {"class": type(exception).__name__, "message": str(exception)}
    if not isinstance(exception, exceptions.HTTPXOAuthError):
        found["leak"] = True
    if isinstance(exception, integration.OAuth2AuthorizeCallbackError):
        found |= {"status": exception.status_code, "detail": exception.detail}
    if getattr(exception, "response", None) is not None:
        found["response_status"] = exception.response.status_code
    return found


def record(case):
    """Run a case and add what was seen to it."""
    server, args = Server(case["replies"]), copy.deepcopy(case["args"])
    transport = {"transport": httpx.MockTransport(server), "trust_env": False}
    with (
        mock.patch("httpx.AsyncClient", functools.partial(RealAsyncClient, **transport)),
        mock.patch("httpx.Client", functools.partial(RealClient, **transport)),
        mock.patch("time.time", return_value=float(NOW)),
        mock.patch("secrets.token_urlsafe", return_value=NONCE),
    ):
        try:
            result = {"ok": asyncio.run(call(case, args))}
        except Exception as exception:
            result = {"error": describe(exception)}
    if server.replies:
        raise BadCase(f"{case['id']}: {len(server.replies)} replies were not asked for")
    changed = {"args_after": args} if args != case["args"] else {}
    return {**case, **changed, "requests": server.requests, "result": result}


# --- The clients and what their providers answer ----------------------------------------------------------------------

ID_SECRET = {"client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET"}
REDIRECT = "https://app.example/callback"
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
BASE = {
    "authorize_endpoint": "https://provider.example/authorize",
    "access_token_endpoint": "https://provider.example/token",
}
ALL = {
    **BASE,
    "refresh_token_endpoint": "https://provider.example/refresh",
    "revoke_token_endpoint": "https://provider.example/revoke",
    "base_scopes": ["profile", "email"],
    "revocation_endpoint_auth_method": "client_secret_post",
}
BASIC = {
    "token_endpoint_auth_method": "client_secret_basic",
    "revocation_endpoint_auth_method": "client_secret_basic",
}
DISCOVERY_URL = "https://op.example/.well-known/openid-configuration"
DISCOVERY = {
    "issuer": "https://op.example",
    "authorization_endpoint": "https://op.example/authorize",
    "token_endpoint": "https://op.example/token",
    "userinfo_endpoint": "https://op.example/userinfo",
    "revocation_endpoint": "https://op.example/revoke",
    "jwks_uri": "https://op.example/jwks",
    "grant_types_supported": ["authorization_code", "refresh_token"],
    "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
}
OKTA = {
    **{k: v.replace("op.example", "dev-1.okta.example/oauth2/v1") for k, v in DISCOVERY.items() if isinstance(v, str)},
    "issuer": "https://dev-1.okta.example",
    "grant_types_supported": ["authorization_code", "implicit", "refresh_token", "password"],
    "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt", "none"],
    "revocation_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "none"],
}
BODIES = {"openid": compact(DISCOVERY), "okta": compact(OKTA)}
TOKEN = {"access_token": "ACCESS", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "REFRESH"}
OIDC_TOKEN = {**TOKEN, "scope": "openid email", "id_token": "HEADER.CLAIMS.SIGNATURE"}
INVALID_GRANT = {"error": "invalid_grant", "error_description": "The code is invalid or expired."}

GITHUB_USER = {
    "login": "octocat", "id": 583231, "node_id": "MDQ6VXNlcjU4MzIzMQ==", "type": "User",
    "name": "The Octocat", "email": "octocat@example.com",
}
GITHUB_EMAILS = [
    {"email": "old@example.com", "primary": False, "verified": True, "visibility": None},
    {"email": "octocat@example.com", "primary": True, "verified": True, "visibility": "private"},
]
GOOGLE_EMAIL = {"metadata": {"primary": True, "verified": True}, "value": "ada@example.com"}
GOOGLE_PERSON = {"resourceName": "people/108204268033311374519", "etag": "%EgMBAj0=", "emailAddresses": [GOOGLE_EMAIL]}
KAKAO_ACCOUNT = {
    "has_email": True, "email_needs_agreement": False, "is_email_valid": True, "is_email_verified": True,
    "email": "apeach@example.com",
}
KAKAO_USER = {"id": 1376016924426111111, "connected_at": "2023-11-14T22:13:20Z", "kakao_account": KAKAO_ACCOUNT}
LINKEDIN_EMAIL = {
    "elements": [{"handle": "urn:li:emailAddress:3775708763", "handle~": {"emailAddress": "ada@example.com"}}],
}
MICROSOFT_USER = {
    "@odata.context": "https://graph.microsoft.com/v1.0/$metadata#users/$entity",
    "id": "87d349ed-44d7-43e1-9a83-5f2406dee5bd", "displayName": "Adele Vance", "mail": "adele.mail@contoso.example",
    "userPrincipalName": "adele@contoso.example",
}
NAVER_USER = {"id": "32742776", "nickname": "OpenAPI", "name": "오픈 API", "email": "openapi@example.com"}
SHOP = {"id": 548380009, "name": "John Smith Test Store", "email": "j.smith@example.com", "domain": "shop.example.com"}
OIDC_USER = {"sub": "248289761001", "name": "Jane Doe", "email": "jane@example.com", "email_verified": True}
DISCORD_USER = {
    "id": "80351110224678912", "username": "nelly", "discriminator": "1337", "verified": True,
    "email": "nelly@example.com", "flags": 64,
}


def named(name):
    return {"status": 200, "headers": {"content-type": "application/json"}, "body_name": name}


def naver(response):
    return {"resultcode": "00", "message": "success", "response": response}


def without(mapping, *keys):
    return {key: value for key, value in mapping.items() if key not in keys}


# For each client, the word that its ids begin with:
#   new      constructor arguments, beyond the client id and secret
#   token    the reply to a good token request
#   refused  the reply to a bad code, in the provider's own form
#   extras   extra parameters of the authorization URL, each a case
#   profile  replies of one good get_profile; id_email is that list unless given
#   people   other replies to get_id_email, by name
SUBJECTS = {
    "oauth2": dict(new=ALL, token=TOKEN, refused=reply(400, INVALID_GRANT), extras={"any": {"foo": "bar", "n": 1}}),
    "oauth2-basic": dict(
        provider="oauth2", new={**ALL, **BASIC}, token=TOKEN, refused=reply(401, {"error": "invalid_client"}),
        extras={},
    ),
    "openid": dict(
        new={"openid_configuration_endpoint": DISCOVERY_URL}, before=[named("openid")], token=OIDC_TOKEN,
        refused=reply(400, INVALID_GRANT),
        extras={"nonce": {"nonce": "N"}, "max_age": {"max_age": 0, "prompt": "login"}},
        profile=[reply(200, OIDC_USER)],
        people={
            "no_email": [reply(200, without(OIDC_USER, "email"))],
            "unverified": [reply(200, {**OIDC_USER, "email_verified": False})],
            "int_sub": [reply(200, {**OIDC_USER, "sub": 42})],
            "no_sub": [reply(200, without(OIDC_USER, "sub"))],
            "null_sub": [reply(200, {**OIDC_USER, "sub": None})],
            "signed": [reply(200, "HEADER.CLAIMS.SIGNATURE", content_type="application/jwt")],
        },
    ),
    "okta": dict(
        new={"okta_domain": "dev-1.okta.example"}, before=[named("okta")], token=OIDC_TOKEN,
        refused=reply(400, INVALID_GRANT), extras={"idp": {"idp": "0oa1", "prompt": "login"}},
        profile=[reply(200, {**OIDC_USER, "sub": "00uid4BxXw6I6TV4m0g3"})],
        people={"no_email": [reply(200, {"sub": "00uid4BxXw6I6TV4m0g3"})]},
    ),
    "discord": dict(
        token={**TOKEN, "expires_in": 604800, "scope": "identify email"},
        refused=reply(400, {"error": "invalid_grant", "error_description": 'Invalid "code" in request.'}),
        extras={"prompt": {"prompt": "none"}, "bot": {"permissions": 8, "guild_id": "1", "disable_guild_select": True}},
        profile=[reply(200, DISCORD_USER)],
        people={
            "no_email": [reply(200, {**DISCORD_USER, "email": None})],
            "unverified": [reply(200, {**DISCORD_USER, "verified": False})],
            "verified_unsaid": [reply(200, without(DISCORD_USER, "verified"))],
            "verified_string": [reply(200, {**DISCORD_USER, "verified": "false"})],
            "int_id": [reply(200, {**DISCORD_USER, "id": 80351110224678912})],
            "no_id": [reply(200, without(DISCORD_USER, "id"))],
        },
    ),
    "facebook": dict(
        token={"access_token": "ACCESS", "token_type": "bearer", "expires_in": 5183944},
        refused=reply(400, {"error": {
            "message": "This authorization code has been used.", "type": "OAuthException", "code": 100,
            "error_subcode": 36009, "fbtrace_id": "A1b2C3",
        }}),
        extras={"auth_type": {"auth_type": "rerequest", "display": "popup"}},
        profile=[reply(200, {"id": "10215566", "email": "ada@example.com"})],
        people={
            "no_email": [reply(200, {"id": "10215566"})],
            "int_id": [reply(200, {"id": 10215566})],
            "no_id": [reply(200, {"email": "ada@example.com"})],
            "error_200": [reply(200, {"error": {"message": "Invalid OAuth access token.", "code": 190}})],
        },
    ),
    "franceconnect": dict(
        token={**without(OIDC_TOKEN, "refresh_token"), "expires_in": 60},
        refused=reply(400, INVALID_GRANT),
        extras={
            "nonce": {"nonce": "MINE"}, "nonce_null": {"nonce": None}, "nonce_empty": {"nonce": ""},
            "acr_values": {"acr_values": "eidas1"},
        },
        profile=[reply(200, {
            "sub": "b6048e95bb134ec5b1d1e1fa69f287172e91722b9354d637a1bcf2ebb0fd2ef5v1",
            "email": "wossewodda-3728@example.com",
        })],
        people={"no_email": [reply(200, {"sub": "b604"})], "no_sub": [reply(200, {"email": "a@example.com"})]},
    ),
    "franceconnect-integration": dict(
        provider="franceconnect", new={"integration": True}, token=without(OIDC_TOKEN, "refresh_token"),
        refused=reply(401, {"status": "fail", "message": "The grant_type is invalid"}),
        extras={"nonce": {"nonce": "MINE"}},
        profile=[reply(200, {"sub": "b6048e95", "email": "wossewodda-3728@example.com"})],
    ),
    "github": dict(
        token={"access_token": "gho_EXAMPLE", "token_type": "bearer", "scope": "user,user:email"},
        refused=reply(200, {
            "error": "bad_verification_code", "error_description": "The code passed is incorrect or expired.",
            "error_uri": "https://docs.github.com/apps/oauth/#bad-verification-code",
        }),
        extras={"typed": {"login": "octocat", "allow_signup": False}, "allow_signup": {"allow_signup": True}},
        profile=[reply(200, GITHUB_USER)],
        people={
            "private_email": [reply(200, {**GITHUB_USER, "email": None}), reply(200, GITHUB_EMAILS)],
            "email_unsaid": [reply(200, without(GITHUB_USER, "email")), reply(200, GITHUB_EMAILS)],
            "empty_string": [reply(200, {**GITHUB_USER, "email": ""})],
            "no_emails": [reply(200, {**GITHUB_USER, "email": None}), reply(200, [])],
            "no_primary": [reply(200, {**GITHUB_USER, "email": None}), reply(200, GITHUB_EMAILS[:1])],
            "primary_unverified": [
                reply(200, {**GITHUB_USER, "email": None}),
                reply(200, [GITHUB_EMAILS[0], {**GITHUB_EMAILS[1], "verified": False}]),
            ],
            "none_verified": [
                reply(200, {**GITHUB_USER, "email": None}), reply(200, [{"email": "x@example.com", "verified": False}]),
            ],
            "emails_404": [reply(200, {**GITHUB_USER, "email": None}), reply(404, {"message": "Not Found"})],
            "emails_403": [
                reply(200, {**GITHUB_USER, "email": None}),
                reply(403, {"message": "Resource not accessible by integration"}),
            ],
            "emails_html": [reply(200, {**GITHUB_USER, "email": None}), reply(200, "<html></html>")],
            "emails_object": [reply(200, {**GITHUB_USER, "email": None}), reply(200, {})],
            "emails_broken": [reply(200, {**GITHUB_USER, "email": None}), fail()],
            "string_id": [reply(200, {**GITHUB_USER, "id": "583231"})],
            "no_id": [reply(200, without(GITHUB_USER, "id"))],
        },
    ),
    "google": dict(
        token={**OIDC_TOKEN, "expires_in": 3599},
        refused=reply(400, {"error": "invalid_grant", "error_description": "Malformed auth code."}),
        extras={
            "typed": {
                "access_type": "offline", "include_granted_scopes": True, "login_hint": "ada@example.com",
                "prompt": "consent",
            },
            "include_granted_scopes_false": {"include_granted_scopes": False},
        },
        profile=[reply(200, GOOGLE_PERSON)],
        people={
            "primary_second": [reply(200, {**GOOGLE_PERSON, "emailAddresses": [
                {"metadata": {"primary": False}, "value": "old@example.com"}, GOOGLE_EMAIL,
            ]})],
            "primary_unsaid_first": [reply(200, {**GOOGLE_PERSON, "emailAddresses": [
                {"metadata": {"verified": True}, "value": "old@example.com"}, GOOGLE_EMAIL,
            ]})],
            "no_primary": [reply(200, {**GOOGLE_PERSON, "emailAddresses": [
                {"metadata": {"primary": False}, "value": "old@example.com"},
            ]})],
            "unverified": [reply(200, {**GOOGLE_PERSON, "emailAddresses": [
                {"metadata": {"primary": True, "verified": False}, "value": "ada@example.com"},
            ]})],
            "empty_emails": [reply(200, {**GOOGLE_PERSON, "emailAddresses": []})],
            "no_emails": [reply(200, without(GOOGLE_PERSON, "emailAddresses"))],
            "no_id": [reply(200, without(GOOGLE_PERSON, "resourceName"))],
        },
    ),
    "kakao": dict(
        token={
            **TOKEN, "expires_in": 21599, "refresh_token_expires_in": 5183999,
            "scope": "account_email profile_nickname",
        },
        refused=reply(400, {
            "error": "invalid_grant", "error_description": "authorization code not found for code=CODE",
            "error_code": "KOE320",
        }),
        extras={"prompt": {"prompt": "login", "service_terms": "a,b"}},
        profile=[reply(200, KAKAO_USER)],
        people={
            "no_email": [reply(200, {**KAKAO_USER, "kakao_account": {"email_needs_agreement": True}})],
            "unverified": [reply(200, {**KAKAO_USER, "kakao_account": {**KAKAO_ACCOUNT, "is_email_verified": False}})],
            "invalid": [reply(200, {**KAKAO_USER, "kakao_account": {**KAKAO_ACCOUNT, "is_email_valid": False}})],
            "no_account": [reply(200, {"id": 1376016924426111111})],
            "no_id": [reply(200, {"kakao_account": KAKAO_ACCOUNT})],
        },
    ),
    "linkedin": dict(
        token={
            "access_token": "ACCESS", "expires_in": 5183999, "refresh_token": "REFRESH",
            "refresh_token_expires_in": 31536059, "scope": "r_emailaddress,r_liteprofile",
        },
        refused=reply(400, {
            "error": "invalid_request",
            "error_description": "Unable to retrieve access token: appid/redirect uri/code verifier does not match",
        }),
        extras={"enable_extended_login": {"enable_extended_login": True}},
        profile=[reply(200, {"id": "yrZCpj2Z12"})],
        id_email=[reply(200, {"id": "yrZCpj2Z12"}), reply(200, LINKEDIN_EMAIL)],
        people={
            "empty_emails": [reply(200, {"id": "yrZCpj2Z12"}), reply(200, {"elements": []})],
            "no_emails": [reply(200, {"id": "yrZCpj2Z12"}), reply(200, {})],
            "no_handle": [reply(200, {"id": "yrZCpj2Z12"}), reply(200, {"elements": [{"handle": "urn:li:x"}]})],
            "emails_403": [
                reply(200, {"id": "yrZCpj2Z12"}),
                reply(403, {"serviceErrorCode": 100, "message": "Not enough permissions", "status": 403}),
            ],
            "emails_html": [reply(200, {"id": "yrZCpj2Z12"}), reply(200, "<html></html>")],
            "no_id": [reply(200, {}), reply(200, LINKEDIN_EMAIL)],
        },
    ),
    "microsoft": dict(
        token={**TOKEN, "expires_in": 3599, "ext_expires_in": 3599, "scope": "User.Read profile openid email"},
        refused=reply(400, {
            "error": "invalid_grant", "error_description": "AADSTS70008: The provided authorization code has expired.",
            "error_codes": [70008], "timestamp": "2023-11-14 22:13:20Z", "trace_id": "255d1aef",
        }),
        extras={
            "prompt": {"prompt": "select_account", "domain_hint": "contoso.example"},
            "response_mode": {"response_mode": "form_post"},
        },
        profile=[reply(200, MICROSOFT_USER)],
        people={
            "no_mail": [reply(200, {**MICROSOFT_USER, "mail": None})],
            "guest": [reply(200, {**MICROSOFT_USER, "userPrincipalName": "ada_gmail.com#EXT#@contoso.example"})],
            "no_upn": [reply(200, without(MICROSOFT_USER, "userPrincipalName"))],
            "null_upn": [reply(200, {**MICROSOFT_USER, "userPrincipalName": None})],
            "no_id": [reply(200, without(MICROSOFT_USER, "id"))],
        },
    ),
    "naver": dict(
        token={**TOKEN, "token_type": "bearer", "expires_in": "3600"},
        refused=reply(200, {"error": "invalid_request", "error_description": "no valid data in session"}),
        extras={"auth_type": {"auth_type": "reprompt"}},
        profile=[reply(200, naver(NAVER_USER))],
        people={
            "no_email": [reply(200, naver(without(NAVER_USER, "email")))],
            "int_id": [reply(200, naver({**NAVER_USER, "id": 32742776}))],
            "no_id": [reply(200, naver({}))],
            "no_envelope": [reply(200, NAVER_USER)],
            "error_200": [reply(200, {"resultcode": "024", "message": "Authentication failed"})],
        },
    ),
    "reddit": dict(
        token={**TOKEN, "token_type": "bearer", "expires_in": 86400, "scope": "identity"},
        refused=reply(200, {"error": "invalid_grant"}),
        extras={"duration": {"duration": "permanent"}},
        profile=[reply(200, {"id": "1w72", "name": "spez", "has_verified_email": True, "is_suspended": False})],
        people={
            "no_name": [reply(200, {"id": "1w72"})],
            "status_201": [reply(201, {"name": "spez"})],
            "with_email": [reply(200, {"id": "1w72", "name": "spez", "email": "spez@example.com"})],
        },
    ),
    "shopify": dict(
        new={"shop": "my-shop"}, token={"access_token": "shpat_EXAMPLE", "scope": "read_orders"},
        refused=reply(400, {
            "error": "invalid_request", "error_description": "The authorization code was not found or was already used",
        }),
        extras={"access_mode": {"access_mode": "per-user"}, "access_mode_null": {"access_mode": None},
                "grant_options": {"grant_options[]": "per-user"}},
        profile=[reply(200, {"shop": SHOP})],
        people={
            "no_email": [reply(200, {"shop": without(SHOP, "email")})],
            "null_email": [reply(200, {"shop": {**SHOP, "email": None}})],
            "no_id": [reply(200, {"shop": without(SHOP, "id")})],
            "no_shop": [reply(200, {})],
        },
    ),
}

# --- The cases --------------------------------------------------------------------------------------------------------

CASES = []

# These have code of their own for tokens, or odd replies, and so get every reply; the others run the same shared code.
EVERY_REPLY = ["oauth2", "github", "naver", "reddit"]
# These differ from another subject in a constructor argument only, and so get only what depends on it.
VARIANTS = ["oauth2-basic", "franceconnect-integration"]
NO_REFRESH = ["facebook", "franceconnect", "franceconnect-integration", "shopify"]
NO_REVOCATION = [*NO_REFRESH, "github", "linkedin", "microsoft"]


def case(name, provider, new, method, args, replies=(), **more):
    CASES.append(
        {"id": name, "provider": provider, "new": new, **more, "method": method, "args": args, "replies": list(replies)}
    )


def one(word, method, name, args, replies=(), new=None, before=None, **more):
    """A case of a subject; `new` adds to its constructor arguments, `before` replaces its discovery."""
    subject = SUBJECTS[word]
    arguments = {**subject.get("new", {}), **(new or {})}
    replies = [*(subject.get("before", []) if before is None else before), *replies]
    case(f"{word}/{method}/{name}", subject.get("provider", word), arguments, method, args, replies, **more)


URL_ARGS = {
    "plain": {},
    "state": {"state": "STATE"},
    "state_empty": {"state": ""},
    "state_reserved": {"state": "a b+c&d=e/f?g#h%20i~j"},
    "state_unicode": {"state": "é→日本😀"},
    "scope": {"scope": ["one", "two"]},
    "scope_empty": {"scope": []},
    "scope_reserved": {"scope": ["https://a.example/x:y", "b+c", "d,é"]},
    "pkce_s256": {"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "code_challenge_method": "S256"},
    "pkce_plain": {"code_challenge": "CHALLENGE", "code_challenge_method": "plain"},
    "pkce_no_method": {"code_challenge": "CHALLENGE"},
    "redirect_query": {"redirect_uri": f"{REDIRECT}?next=%2Fhome&a=b c"},
    "redirect_unicode": {"redirect_uri": "https://bücher.example/zurück"},
    "all": {"state": "S", "scope": ["one"], "code_challenge": "C", "code_challenge_method": "S256"},
    "extras_override": {
        "state": "S",
        "extras_params": {"response_type": "token", "client_id": "EVIL", "redirect_uri": "https://evil.example",
                          "scope": "admin", "state": "T"},
    },
}

TOKEN_BODIES = {
    "expires_in_string": {"expires_in": "3600"},
    "expires_in_float": {"expires_in": 3600.9},
    "expires_in_float_string": {"expires_in": "3600.5"},
    "expires_in_negative": {"expires_in": -1},
    "expires_in_zero": {"expires_in": 0},
    "expires_in_null": {"expires_in": None},
    "expires_in_empty": {"expires_in": ""},
    "expires_in_missing": {},
    "expires_at": {"expires_at": 1800000000.7, "expires_in": 60},
    "bare": {"token_type": None},
    "extra_fields": {"token_type": "Bearer", "ok": True, "nested": {"a": [1, None]}},
    "scope_list": {"scope": ["a", "b"]},
}
REFUSALS = {
    "error_400": reply(400, INVALID_GRANT),
    "error_401": reply(401, {"error": "invalid_client"}, www_authenticate="Basic"),
    "error_500": reply(500, "Internal Server Error", content_type="text/plain"),
    "error_200": reply(200, {"error": "bad_verification_code", "error_description": "It is incorrect or expired."}),
    "html": reply(200, "<!DOCTYPE html><html>Down for maintenance</html>", content_type="text/html"),
    "empty": reply(200, ""),
    "array": reply(200, []),
    "null": reply(200, None),
    "truncated": reply(200, '{"access_token":"ACC', content_type="application/json"),
    "broken": fail("ConnectError"),
}
ODDITIES = {  # Replies that only the shared code sees; once each is enough.
    "status_201": reply(201, TOKEN),
    "status_204": reply(204, ""),
    "status_302": reply(302, "", location="https://provider.example/login"),
    "status_307": reply(307, "", location="https://provider.example/token2"),
    "status_429": reply(429, {"error": "slow_down"}, retry_after="7"),
    "status_503": reply(503, "<html></html>", content_type="text/html"),
    "error_400_empty": reply(400, ""),
    "error_object": reply(400, {"error": {"message": "no", "code": 190}}),
    "word": reply(200, "hello"),
    "string": reply(200, '"hello"', content_type="application/json"),
    "number": reply(200, 42),
    "true": reply(200, True),
    "pairs": reply(200, [["access_token", "ACCESS"]]),
    "form": reply(200, "access_token=ACCESS&token_type=bearer", content_type="application/x-www-form-urlencoded"),
    "text_plain_json": reply(200, json.dumps(TOKEN), content_type="text/plain"),
    "bom": reply(200, b"\xef\xbb\xbf" + json.dumps(TOKEN).encode()),
    "utf_16": reply(200, json.dumps(TOKEN).encode("utf-16")),
    "not_utf_8": reply(200, b'{"access_token":"\xff\xfe"}', content_type="application/json"),
    "not_utf_8_error": reply(400, b'{"error":"\xff"}', content_type="application/json"),
    "deep": reply(200, "[" * 2000 + "]" * 2000, content_type="application/json"),
    "trailing": reply(200, '{"access_token":"ACCESS"} x', content_type="application/json"),
    "duplicate_keys": reply(200, '{"access_token":"A","access_token":"B"}', content_type="application/json"),
    "expires_in_true": reply(200, {"access_token": "ACCESS", "expires_in": True}),
    "expires_in_object": reply(200, {"access_token": "ACCESS", "expires_in": {}}),
    "expires_in_word": reply(200, {"access_token": "ACCESS", "expires_in": "never"}),
    "expires_in_spaces": reply(200, {"access_token": "ACCESS", "expires_in": " 1_000 "}),
    "expires_in_huge": reply(200, {"access_token": "ACCESS", "expires_in": 10**18}),
    "expires_in_1e400": reply(200, '{"access_token":"ACCESS","expires_in":1e400}', content_type="application/json"),
    "expires_in_nan": reply(200, '{"access_token":"ACCESS","expires_in":NaN}', content_type="application/json"),
    "expires_at_null": reply(200, {"access_token": "ACCESS", "expires_at": None, "expires_in": 60}),
    "expires_at_string": reply(200, {"access_token": "ACCESS", "expires_at": "1800000000"}),
    "expires_at_date": reply(200, {"access_token": "ACCESS", "expires_at": "2027-01-15T08:00:00Z"}),
    "access_token_null": reply(200, {"access_token": None}),
    "access_token_number": reply(200, {"access_token": 7}),
    "timeout": fail("ReadTimeout"),
    "reset": fail("ReadError"),
    "protocol": fail("RemoteProtocolError"),
}
PROFILE_REFUSALS = {
    "error_401": reply(401, {"message": "Bad credentials"}),
    "error_500": reply(500, "oops", content_type="text/plain"),
    "html": reply(200, "<html>Sign in</html>", content_type="text/html"),
    "array": reply(200, []),
    "null": reply(200, None),
    "broken": fail("ConnectError"),
}


def constructors():
    url, code = {"redirect_uri": REDIRECT}, {"code": "CODE", "redirect_uri": REDIRECT}
    for word in SUBJECTS:
        one(word, "new", "ok", {})
    for word in SUBJECTS:
        if word in VARIANTS:
            continue
        scopes = "base_scopes" if word in ("oauth2", "openid") else "scopes"
        one(word, "new", "named", {}, new={"name": "mine", scopes: ["a"]})
        one(word, "new", "scopes_null", {}, new={scopes: None})
        for name, value in {"": ["a", "b"], "_null": None, "_empty": []}.items():
            one(word, "get_authorization_url", f"constructor_scopes{name}", url, new={scopes: value})

    def generic(name, more, args=None, method="new"):
        case(f"oauth2/{method}/{name}", "oauth2", {**BASE, **more}, method, args or {})

    generic("minimal", {})
    generic("auth_none", {"token_endpoint_auth_method": "none"})
    generic("auth_jwt", {"token_endpoint_auth_method": "private_key_jwt"})
    generic("revoke_no_auth", {"revoke_token_endpoint": "https://provider.example/revoke"})
    generic("revoke_auth_jwt", {"revocation_endpoint_auth_method": "private_key_jwt"})
    generic("revoke_auth_no_endpoint", {"revocation_endpoint_auth_method": "client_secret_basic"})
    generic("both_auth_wrong", {"token_endpoint_auth_method": "a", "revocation_endpoint_auth_method": "b"})
    generic("id_empty", {"client_id": "", "client_secret": ""})
    generic("http_endpoint", {"authorize_endpoint": "http://provider.example/authorize"})
    generic("not_a_url", {"authorize_endpoint": "nonsense", "access_token_endpoint": ""})
    for name, endpoint in {
        "endpoint_query": "https://provider.example/authorize?tenant=a",
        "endpoint_query_same": "https://provider.example/authorize?client_id=x",
        "endpoint_question_mark": "https://provider.example/authorize?",
        "endpoint_fragment": "https://provider.example/authorize#top",
    }.items():
        generic(name, {"authorize_endpoint": endpoint}, {**url, "state": "S"}, "get_authorization_url")
    for name, args in {
        "scope_string": {"scope": "one two"},
        "method_without_challenge": {"code_challenge_method": "S256"},
        "challenge_empty": {"code_challenge": ""},
        "extras_bool": {"extras_params": {"yes": True, "no": False}},
        "extras_null": {"extras_params": {"a": None}},
        "extras_list": {"extras_params": {"a": ["b", "c"]}},
        "extras_number": {"extras_params": {"i": 7, "f": 0.5}},
        "extras_reserved": {"extras_params": {"a b&": "c=d é/"}},
        "extras_challenge": {
            "code_challenge": "C", "code_challenge_method": "S256",
            "extras_params": {"code_challenge": "X", "code_challenge_method": "plain"},
        },
        "redirect_empty": {"redirect_uri": ""},
        "client_id_reserved": {},
    }.items():
        more = {"client_id": "a b&c=d:é"} if name == "client_id_reserved" else {}
        generic(name, more, {**url, **args}, "get_authorization_url")

    for name, tenant in {
        "tenant_organizations": "organizations", "tenant_empty": "", "tenant_slash": "a/../b", "tenant_query": "a?b=c",
        "tenant_at": "common/@evil.example",
    }.items():
        one("microsoft", "get_authorization_url", name, url, new={"tenant": tenant})
        one("microsoft", "get_access_token", name, code, [reply(200, TOKEN)], new={"tenant": tenant})
    for name, shop in {
        "shop_host": "evil.example/", "shop_fragment": "evil.example#", "shop_at": "x@evil.example/",
        "shop_full": "my-shop.myshopify.com", "shop_braces": "{shop}",
    }.items():
        one("shopify", "get_authorization_url", name, url, new={"shop": shop})
        one("shopify", "get_profile", name, {"token": "ACCESS"}, SUBJECTS["shopify"]["profile"], new={"shop": shop})
    one("shopify", "get_profile", "api_version", {"token": "ACCESS"}, SUBJECTS["shopify"]["profile"],
        new={"api_version": "2025-01"})
    for name, domain in {
        "domain_host": "evil.example/#", "domain_path": "dev-1.okta.example/oauth2/default",
        "domain_scheme": "https://dev-1.okta.example", "domain_slash": "dev-1.okta.example/",
    }.items():
        one("okta", "new", name, {}, new={"okta_domain": domain})


def discovery():
    def variant(name, document, method="new", args=None, replies=()):
        one("openid", method, name, args or {}, replies, before=[reply(200, document)])

    def changed(**more):
        return {**DISCOVERY, **more}

    methods = "token_endpoint_auth_methods_supported"
    revocation = "revocation_endpoint_auth_methods_supported"
    variant("post_only", changed(**{methods: ["client_secret_post"], revocation: ["client_secret_post"]}))
    variant("post_first", changed(**{methods: ["client_secret_post", "client_secret_basic"]}))
    variant("unknown_first", changed(**{methods: ["private_key_jwt", "client_secret_post"]}))
    variant("methods_missing", without(DISCOVERY, methods, revocation))
    variant("methods_empty", changed(**{methods: []}))
    variant("methods_unknown", changed(**{methods: ["private_key_jwt", "none"]}))
    variant("methods_null", changed(**{methods: None}))
    variant("methods_string", changed(**{methods: "client_secret_post"}))
    variant("revocation_methods_missing", without(DISCOVERY, revocation))
    variant("revocation_methods_empty", changed(**{revocation: []}))
    variant("revocation_methods_unknown", changed(**{revocation: ["none"]}))
    variant("no_revocation", without(DISCOVERY, "revocation_endpoint", revocation))
    variant("no_revocation_methods_empty", changed(**{revocation: [], "revocation_endpoint": None}))
    variant("revocation_empty_string", changed(revocation_endpoint=""))
    variant("grants_missing", without(DISCOVERY, "grant_types_supported"))
    variant("grants_null", changed(grant_types_supported=None))
    variant("no_token_endpoint", without(DISCOVERY, "token_endpoint"))
    variant("no_authorization_endpoint", without(DISCOVERY, "authorization_endpoint"))
    variant("no_userinfo", without(DISCOVERY, "userinfo_endpoint"))
    variant("issuer_differs", changed(issuer="https://evil.example"))
    variant("issuer_missing", without(DISCOVERY, "issuer"))
    variant("http_endpoints", changed(token_endpoint="http://op.example/token"))
    variant("token_endpoint_null", changed(token_endpoint=None))
    variant("error_in_200", {"error": "not_found"})
    no_refresh = changed(grant_types_supported=["authorization_code"])
    variant("no_refresh", no_refresh)
    variant("no_refresh", no_refresh, "refresh_token", {"refresh_token": "R"})
    variant("no_revocation", without(DISCOVERY, "revocation_endpoint"), "revoke_token", {"token": "T"})
    variant("no_userinfo", without(DISCOVERY, "userinfo_endpoint"), "get_profile", {"token": "T"})
    variant("no_userinfo", without(DISCOVERY, "userinfo_endpoint"), "get_id_email", {"token": "T"})
    differs = changed(**{revocation: ["client_secret_post"]})
    variant("revocation_method_differs", differs, "revoke_token", {"token": "T"}, [reply()])
    queried = changed(authorization_endpoint="https://op.example/authorize?p=b2c")
    variant("endpoint_query", queried, "get_authorization_url", {"redirect_uri": REDIRECT})
    odd = {name: ODDITIES[name] for name in ("status_302", "not_utf_8", "string", "timeout")}
    for name, served in {**REFUSALS, **odd}.items():
        one("openid", "new", f"discovery_{name}", {}, before=[served])
    for name in ("error_500", "html", "broken"):
        one("okta", "new", f"discovery_{name}", {}, before=[REFUSALS[name]])


def authorization_urls():
    for word, subject in SUBJECTS.items():
        for name, args in URL_ARGS.items():
            if word in VARIANTS and name not in ("plain", "all"):
                continue
            one(word, "get_authorization_url", name, {"redirect_uri": REDIRECT, **args})
        for name, extras in subject["extras"].items():
            one(word, "get_authorization_url", f"extras_{name}", {"redirect_uri": REDIRECT, "extras_params": extras})
    for word in ("oauth2", "franceconnect", "microsoft"):
        one(word, "get_authorization_url", "extras_empty", {"redirect_uri": REDIRECT, "extras_params": {}})


def tokens():
    code = {"code": "CODE", "redirect_uri": REDIRECT}
    for word, subject in SUBJECTS.items():
        ok = reply(200, subject["token"])
        one(word, "get_access_token", "ok", code, [ok])
        one(word, "get_access_token", "verifier", {**code, "code_verifier": VERIFIER}, [ok])
        one(word, "get_access_token", "refused", code, [subject["refused"]])
        for name, body in TOKEN_BODIES.items():
            if word in EVERY_REPLY or name in ("expires_in_string", "expires_in_null", "scope_list"):
                one(word, "get_access_token", name, code, [reply(200, {"access_token": "ACCESS", **body})])
        for name, served in REFUSALS.items():
            if word in EVERY_REPLY or (word not in VARIANTS and name not in ("error_401", "truncated")):
                one(word, "get_access_token", name, code, [served])

        old = {"refresh_token": "OLD"}
        one(word, "refresh_token", "ok", old, [] if word in NO_REFRESH else [reply(200, TOKEN)])
        if word not in NO_REFRESH:
            kept = reply(200, without(TOKEN, "refresh_token"))
            few = ("error_400", "error_200", "empty", "null", "broken")
            refused = {name: REFUSALS[name] for name in REFUSALS if word in EVERY_REPLY or name in few}
            for name, served in {"no_new_one": kept, "refused": subject["refused"], **refused}.items():
                if word not in VARIANTS or name == "no_new_one":
                    one(word, "refresh_token", name, old, [served])

        for name, args, served in [
            ("ok", {}, reply(200, "")),
            ("hint", {"token_type_hint": "refresh_token"}, reply(200, {})),
            ("hint_empty", {"token_type_hint": ""}, reply(200, "")),
            ("error_400", {}, reply(400, {"error": "unsupported_token_type"})),
            ("error_401", {}, REFUSALS["error_401"]),
            ("error_200", {}, REFUSALS["error_200"]),
            ("html", {}, REFUSALS["html"]),
            ("broken", {}, fail()),
        ]:
            if word not in NO_REVOCATION and (word not in VARIANTS or name in ("ok", "hint")):
                one(word, "revoke_token", name, {"token": "T", **args}, [served])
            elif word in NO_REVOCATION and name == "ok":
                one(word, "revoke_token", name, {"token": "T"})

    for name, served in ODDITIES.items():
        one("oauth2", "get_access_token", name, code, [served])
        if name in ("status_204", "status_302", "not_utf_8", "timeout", "string"):
            one("oauth2", "refresh_token", name, {"refresh_token": "OLD"}, [served])
            one("oauth2", "revoke_token", name, {"token": "T"}, [served])
    for word in ("oauth2", "oauth2-basic"):
        ok = [reply(200, TOKEN)]
        one(word, "get_access_token", "verifier_empty", {**code, "code_verifier": ""}, ok)
        one(word, "get_access_token", "verifier_short", {**code, "code_verifier": "VERIFIER"}, ok)
        one(word, "get_access_token", "code_reserved", {**code, "code": "4/0A b+c&d=e%2Fé"}, ok)
        one(word, "get_access_token", "code_empty", {**code, "code": ""}, ok)
        one(word, "get_access_token", "redirect_reserved", {**code, "redirect_uri": f"{REDIRECT}?a=b&c=d e"}, ok)
        secrets = {"client_id": "id:with colon", "client_secret": "s+e/c=r%et&é"}
        one(word, "get_access_token", "secret_reserved", code, ok, new=secrets)
        one(word, "refresh_token", "secret_reserved", {"refresh_token": "O+L/D"}, ok, new=secrets)
        one(word, "revoke_token", "secret_reserved", {"token": "T+/="}, [reply()], new=secrets)
        one(word, "get_access_token", "secret_empty", code, ok, new={"client_secret": ""})
        one(word, "get_access_token", "secret_null", code, ok if word == "oauth2" else [], new={"client_secret": None})
        one(word, "get_access_token", "endpoint_query", code, ok,
            new={"access_token_endpoint": "https://provider.example/token?tenant=a"})
        one(word, "refresh_token", "unsupported", {"refresh_token": "R"}, new={"refresh_token_endpoint": None})
        one(word, "revoke_token", "unsupported", {"token": "T"}, new={"revoke_token_endpoint": None})
        other = "client_secret_basic" if word == "oauth2" else "client_secret_post"
        one(word, "revoke_token", "auth_method_differs", {"token": "T"}, [reply()],
            new={"revocation_endpoint_auth_method": other})
    one("oauth2", "get_access_token", "endpoint_http", code, [reply(200, TOKEN)],
        new={"access_token_endpoint": "http://provider.example/token"})

    expiring = {
        **SUBJECTS["github"]["token"], "expires_in": 28800, "refresh_token": "ghr_EXAMPLE",
        "refresh_token_expires_in": 15811200,
    }
    one("github", "get_access_token", "expiring", code, [reply(200, expiring)])
    one("github", "refresh_token", "expiring", {"refresh_token": "OLD"}, [reply(200, expiring)])
    one("github", "get_access_token", "form", code, [ODDITIES["form"]])
    one("reddit", "get_access_token", "error_number", code, [reply(200, {"error": 404, "message": "Not Found"})])
    one("reddit", "get_access_token", "error_null", code, [reply(200, {"error": None, "access_token": "ACCESS"})])
    one("github", "refresh_token", "error_null", {"refresh_token": "OLD"},
        [reply(200, {"error": None, "access_token": "ACCESS"})])
    one("shopify", "get_access_token", "online", code, [reply(200, {
        "access_token": "shpua_EXAMPLE", "scope": "read_orders", "expires_in": 86399,
        "associated_user_scope": "read_orders",
        "associated_user": {"id": 902541635, "email": "john@example.com", "email_verified": True},
    })])
    one("naver", "revoke_token", "ok_json", {"token": "T"}, [reply(200, {"access_token": "T", "result": "success"})])
    one("kakao", "revoke_token", "ok_json", {"token": "T"}, [reply(200, {"id": 123456789})])

    for name, served in {
        "ok": reply(200, SUBJECTS["facebook"]["token"]),
        "no_expiry": reply(200, {"access_token": "LONG", "token_type": "bearer"}),
        "refused": SUBJECTS["facebook"]["refused"], **REFUSALS,
    }.items():
        one("facebook", "get_long_lived_access_token", name, {"token": "SHORT"}, [served])


def people():
    token = {"token": "ACCESS"}
    for word, subject in SUBJECTS.items():
        if "profile" not in subject:
            one(word, "get_profile", "ok", token)
            one(word, "get_id_email", "ok", token)
            continue
        good = subject["profile"]
        one(word, "get_profile", "ok", token, good)
        one(word, "get_profile", "headers", token, good,
            settings={"request_headers": {"x-request": "yes"}, "client_headers": {"x-client": "yes"}})
        one(word, "get_id_email", "ok", token, subject.get("id_email", good))
        if word in VARIANTS:
            continue
        one(word, "get_profile", "token_unicode", {"token": "é"}, good if word == "facebook" else [])
        for name, served in PROFILE_REFUSALS.items():
            one(word, "get_profile", name, token, [served])
            if name in ("error_401", "null", "broken"):
                replies = [served]
                if word == "linkedin" and name == "null":  # It asks for the e-mail before it looks at the id.
                    replies.append(reply(200, LINKEDIN_EMAIL))
                one(word, "get_id_email", name, token, replies)
        one(word, "get_profile", "status_302", token, [ODDITIES["status_302"]])
        one(word, "get_profile", "status_204", token, [ODDITIES["status_204"]])
        for name, replies in subject.get("people", {}).items():
            one(word, "get_id_email", name, token, replies)

    for word in ("openid", "facebook", "shopify"):
        one(word, "get_profile", "token_reserved", {"token": "a+b/c=&d"}, SUBJECTS[word]["profile"])
    one("google", "get_id_email", "html", token, [PROFILE_REFUSALS["html"]])
    one("google", "get_id_email", "array", token, [PROFILE_REFUSALS["array"]])
    for name, served in {"ok": reply(200, GITHUB_EMAILS), "none": reply(200, []), **PROFILE_REFUSALS}.items():
        one("github", "get_emails", name, {"token": "ACCESS"}, [served])
    found = {"ok": reply(200, LINKEDIN_EMAIL), "none": reply(200, {"elements": []})}
    for name, served in {**found, **PROFILE_REFUSALS}.items():
        one("linkedin", "get_email", name, {"token": "ACCESS"}, [served])
    headers = {"settings": {"request_headers": {"x-request": "yes"}, "client_headers": {"x-client": "yes"}}}
    one("github", "get_emails", "headers", {"token": "ACCESS"}, [reply(200, GITHUB_EMAILS)], **headers)
    one("linkedin", "get_email", "headers", {"token": "ACCESS"}, [reply(200, LINKEDIN_EMAIL)], **headers)
    code = {"code": "CODE", "redirect_uri": REDIRECT}
    one("oauth2", "get_access_token", "headers", code, [reply(200, TOKEN)], **headers)
    one("oauth2", "get_access_token", "accept_replaced", code, [reply(200, TOKEN)],
        settings={"request_headers": {"Accept": "application/vnd.example+json"}})


def token_objects():
    for name, token in {
        "empty": {},
        "bare": {"access_token": "A"},
        "expires_in": {"expires_in": 3600},
        "expires_in_string": {"expires_in": "3600"},
        "expires_in_negative": {"expires_in": -1},
        "expires_in_zero": {"expires_in": 0},
        "expires_in_null": {"expires_in": None},
        "expires_at_past": {"expires_at": NOW - 1},
        "expires_at_now": {"expires_at": NOW},
        "expires_at_future": {"expires_at": NOW + 1},
        "expires_at_string": {"expires_at": str(NOW - 1)},
        "expires_at_float": {"expires_at": NOW + 0.9},
        "expires_at_float_past": {"expires_at": NOW - 0.1},
        "expires_at_zero": {"expires_at": 0},
        "expires_at_null": {"expires_at": None},
        "expires_at_wins": {"expires_at": NOW - 1, "expires_in": 3600},
        "expires_at_milliseconds": {"expires_at": NOW * 1000},
        "expires_at_word": {"expires_at": "soon"},
    }.items():
        for method in ("new", "is_expired"):
            case(f"token/{method}/{name}", "token", {}, method, {"token_dict": token})


def callbacks():
    ok = [reply(200, SUBJECTS["github"]["token"])]

    def callback(name, url, replies=(), **new):
        new = new or {"route_name": "callback"}
        case(f"fastapi/callback/{name}", "fastapi", new, "callback", {"url": url}, replies)

    callback("ok", f"{REDIRECT}?code=CODE&state=STATE", ok)
    callback("redirect_url", f"{REDIRECT}?code=CODE&state=STATE", ok, redirect_url="https://other.example/back")
    callback("no_state", f"{REDIRECT}?code=CODE", ok)
    callback("verifier", f"{REDIRECT}?code=CODE&code_verifier={VERIFIER}", ok)
    callback("behind_proxy", "http://10.0.0.5:8000/callback?code=CODE", ok)
    callback("other_host", "https://evil.example/callback?code=CODE", ok)
    callback("nothing", REDIRECT)
    callback("state_only", f"{REDIRECT}?state=STATE")
    callback("error", f"{REDIRECT}?error=access_denied&error_description=No&state=STATE")
    callback("error_and_code", f"{REDIRECT}?error=access_denied&code=CODE")
    callback("error_empty", f"{REDIRECT}?error=&code=CODE")
    callback("code_empty", f"{REDIRECT}?code=", ok)
    callback("code_twice", f"{REDIRECT}?code=ONE&code=TWO", ok)
    callback("iss", f"{REDIRECT}?code=CODE&iss=https%3A%2F%2Fevil.example", ok)
    for name in ("error_400", "error_200", "html", "null", "broken"):
        callback(name, f"{REDIRECT}?code=CODE&state=STATE", [REFUSALS[name]])
    callback("both", REDIRECT, route_name="callback", redirect_url=REDIRECT)
    callback("neither", REDIRECT, route_name=None)
    callback("route_empty", f"{REDIRECT}?code=CODE", route_name="")
    callback("redirect_empty", f"{REDIRECT}?code=CODE", redirect_url="")
    callback("route_unknown", f"{REDIRECT}?code=CODE", route_name="nowhere")


def main():
    found = importlib.metadata.version("httpx-oauth")
    if found != VERSION:
        raise SystemExit(f"httpx-oauth {VERSION} is needed, {found} is installed")
    for group in (constructors, discovery, authorization_urls, tokens, people, token_objects, callbacks):
        group()
    words = [*SUBJECTS, "token", "fastapi"]
    CASES.sort(key=lambda case: (words.index(case["id"].split("/")[0]), case["method"]))
    if len({case["id"] for case in CASES}) != len(CASES):
        raise BadCase("two cases have one id")

    classes = {}
    for module in (exceptions, oauth2, openid, facebook, integration):
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, exceptions.HTTPXOAuthError):
                classes[value.__name__] = [base.__name__ for base in value.__bases__]
    head = {
        "versions": {
            "python": ".".join(platform.python_version_tuple()[:2]),
            **{name: importlib.metadata.version(name) for name in ("httpx-oauth", "httpx", "fastapi")},
        },
        "time": NOW, "nonce": NONCE, "headers": HEADERS, "new_defaults": ID_SECRET,
        "exceptions": classes, "bodies": BODIES,
    }

    with OUTPUT.open("w", encoding="utf-8") as file:
        file.write("{\n")
        file.writelines(f"{compact(name)}:{compact(value)},\n" for name, value in head.items())
        file.write('"cases":[\n' + ",\n".join(compact(record(case)) for case in CASES) + "\n]}\n")
    print(f"{len(CASES)} cases, {OUTPUT.stat().st_size} bytes: {OUTPUT.name}")


if __name__ == "__main__":
    main()
