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
INSERT INTO "oauth_tokens" VALUES (E'\\x2a03df6a85a1b376c4ba9411e185d34f68ba09f7a2556532dd9116d6d991c55b', E'\\x98b8326c75c0c326f86b79f9658be764e6e002a4102a9dd826f0a16e7aaefdd6', 'acme', 'user-17', 'oauth2', 'calendar', '2', E'\\x02544e62ce8775d868652b6915ad727f045c59d0b58c95ce083c41748dab8fa83f5630e4ab3c4fb29bd2dea55a8edae593327c03abc1119a2566701bf8045090e6db70a24f4bcc093b6356c5b0f302c6ec14fc92d12b0a2dd283cdcf08801479cf00ab18dc9dd5e3c037c046e55fbeff3abbb38f51dfabe6a0768e1a1e2be6fbcccbbc', '0', NULL, NULL, '1795964035698');
INSERT INTO "oauth_tokens" VALUES (E'\\x41c892c59d6691e240c2a36041d3aa6c00a4fb0abcb68aab2089dee061f98def', E'\\x98b8326c75c0c326f86b79f9658be764e6e002a4102a9dd826f0a16e7aaefdd6', 'acme', 'user-17', 'oauth2', 'deleted', '1', NULL, '0', NULL, NULL, '1795964035746');
INSERT INTO "oauth_tokens" VALUES (E'\\x8401cd90ba285d530308ebf50d1fe86f15bc70b602734d45b19acb844375993d', E'\\xc70904fb8db3a6a454a895003670b903812b7256be45ac540617c47c04cef8c2', '株式会社', E'a\\0b\\\\c{d}/e f', 'p:1', '100%', '1', E'\\x0001616e79206279746573ff', '0', NULL, NULL, '1795964035704');
INSERT INTO "oauth_tokens" VALUES (E'\\xc3f3abb879f5426e87f618fa601af1c4e6724b3a65770cfb9517585a3bd526de', E'\\x98b8326c75c0c326f86b79f9658be764e6e002a4102a9dd826f0a16e7aaefdd6', 'acme', 'user-17', 'oauth2', 'leased', '0', NULL, '3', 'holder', '4949564035787', '1795964035758');
INSERT INTO "oauth_tokens_cache" VALUES (E'\\x97b7b648a968faf370a2562e0160db666b43f7f2f1f50318678863e1f15d6f34', E'\\x', '4949564035800');
INSERT INTO "oauth_tokens_cache" VALUES (E'\\xafd3812a7ecd62e86b29a03603e55054311fa19c18dfbc22af86c3c6b6414fec', E'\\x7b22697373756572223a2278227d', '4949564035790');
