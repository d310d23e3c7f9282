CREATE TABLE IF NOT EXISTS "oauth_tokens_migrations" (version BIGINT NOT NULL PRIMARY KEY);
CREATE TABLE "oauth_tokens" (
    id BYTEA NOT NULL PRIMARY KEY,
    owner BYTEA NOT NULL,
    tenant TEXT NOT NULL,
    subject TEXT NOT NULL,
    provider TEXT NOT NULL,
    label TEXT NOT NULL,
    version BIGINT NOT NULL,
    sealed BYTEA,
    fence BIGINT NOT NULL,
    holder TEXT,
    held_until BIGINT,
    changed_at BIGINT NOT NULL
);
CREATE INDEX "oauth_tokens_owner" ON "oauth_tokens" (owner);
CREATE INDEX "oauth_tokens_deleted" ON "oauth_tokens" (changed_at) WHERE sealed IS NULL;
CREATE TABLE "oauth_tokens_cache" (
    id BYTEA NOT NULL PRIMARY KEY,
    value BYTEA NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX "oauth_tokens_cache_expires_at" ON "oauth_tokens_cache" (expires_at);
INSERT INTO "oauth_tokens_migrations" (version) VALUES (1);
ALTER TABLE "oauth_tokens" ADD COLUMN status TEXT;
ALTER TABLE "oauth_tokens" ADD COLUMN due_at BIGINT;
ALTER TABLE "oauth_tokens" ADD COLUMN sealing_key TEXT;
ALTER TABLE "oauth_tokens" ADD COLUMN described BIGINT;
CREATE INDEX "oauth_tokens_tenant" ON "oauth_tokens" (substr(tenant, 1, 64), id) WHERE sealed IS NOT NULL;
CREATE INDEX "oauth_tokens_provider" ON "oauth_tokens" (substr(provider, 1, 64), id) WHERE sealed IS NOT NULL;
CREATE INDEX "oauth_tokens_due" ON "oauth_tokens" (due_at) WHERE sealed IS NOT NULL AND due_at IS NOT NULL;
CREATE INDEX "oauth_tokens_refreshing" ON "oauth_tokens" (id) WHERE sealed IS NOT NULL AND status = 'refreshing';
CREATE INDEX "oauth_tokens_dead" ON "oauth_tokens" (id) WHERE sealed IS NOT NULL AND status = 'dead';
CREATE INDEX "oauth_tokens_undescribed" ON "oauth_tokens" (id) WHERE sealed IS NOT NULL AND (status IS NULL OR described <> version);
INSERT INTO "oauth_tokens_migrations" (version) VALUES (2);
INSERT INTO "oauth_tokens" VALUES (E'\\x2a03df6a85a1b376c4ba9411e185d34f68ba09f7a2556532dd9116d6d991c55b', E'\\x98b8326c75c0c326f86b79f9658be764e6e002a4102a9dd826f0a16e7aaefdd6', 'acme', 'user-17', 'oauth2', 'calendar', '2', E'\\x0601544e62ce5db6dd579195b66fd999f5658b26b05a2b847be59e6b6876b68cd7b0f2a1e38330424cd1a150d0f407ef786e66eade75254b0f42e943040b0cd516aaadee531ff568fb90ae21ad72836b429636508f5791466a351ff980b79a4aa0b1f0849d636cd025f4eea7c92be8ed2732bacfa71d5fbbeeb8dcdd9ffbf892ebc0991db38af3142af6ce333e0000993cbfde0f012bac65caa7594edc7dc2f90d5278c0f4f394714164426b697c181fa6fd3046b67a74229921612876d5a587ab50ff51ffd6f82b3978f64c538fb39e7d08', '0', NULL, NULL, '1795979391410', 'alive', NULL, '544e62ce', '2');
INSERT INTO "oauth_tokens" VALUES (E'\\x41c892c59d6691e240c2a36041d3aa6c00a4fb0abcb68aab2089dee061f98def', E'\\x98b8326c75c0c326f86b79f9658be764e6e002a4102a9dd826f0a16e7aaefdd6', 'acme', 'user-17', 'oauth2', 'deleted', '1', NULL, '0', NULL, NULL, '1795979391418', NULL, NULL, NULL, '1');
INSERT INTO "oauth_tokens" VALUES (E'\\x8401cd90ba285d530308ebf50d1fe86f15bc70b602734d45b19acb844375993d', E'\\xc70904fb8db3a6a454a895003670b903812b7256be45ac540617c47c04cef8c2', '株式会社', E'a\\0b\\\\c{d}/e f', 'p:1', '100%', '1', E'\\x0001616e79206279746573ff', '0', NULL, NULL, '1795979391411', NULL, NULL, NULL, '1');
INSERT INTO "oauth_tokens" VALUES (E'\\xc3f3abb879f5426e87f618fa601af1c4e6724b3a65770cfb9517585a3bd526de', E'\\x98b8326c75c0c326f86b79f9658be764e6e002a4102a9dd826f0a16e7aaefdd6', 'acme', 'user-17', 'oauth2', 'leased', '0', NULL, '3', 'holder', '4949579391449', '1795979391438', NULL, NULL, NULL, NULL);
INSERT INTO "oauth_tokens_cache" VALUES (E'\\x97b7b648a968faf370a2562e0160db666b43f7f2f1f50318678863e1f15d6f34', E'\\x', '4949579391465');
INSERT INTO "oauth_tokens_cache" VALUES (E'\\xafd3812a7ecd62e86b29a03603e55054311fa19c18dfbc22af86c3c6b6414fec', E'\\x7b22697373756572223a2278227d', '4949579391453');
