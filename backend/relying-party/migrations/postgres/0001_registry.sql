-- What a relying party must remember: what it asked and nobody has answered yet, and whose devices
-- it knows. Times are Unix seconds. Lists that a later version may lengthen (classes, kinds) are
-- left to the parsers. Texts are compared byte for byte, so their collation is "C".

-- A row is a challenge that is open; whoever deletes the row has answered it.
CREATE TABLE enrollment_challenges (
    challenge_id TEXT COLLATE "C" NOT NULL PRIMARY KEY
        CONSTRAINT challenge_id_length
        CHECK (octet_length(challenge_id) BETWEEN 1 AND 512),
    -- As it is: a statement names the nonce, which is no secret, and is compared with it.
    nonce BYTEA NOT NULL
        CONSTRAINT nonce_length CHECK (octet_length(nonce) BETWEEN 32 AND 256),
    account_user_id TEXT COLLATE "C" NOT NULL
        CONSTRAINT account_user_id_length
        CHECK (octet_length(account_user_id) BETWEEN 1 AND 512),
    client_id TEXT COLLATE "C" NOT NULL
        CONSTRAINT client_id_length
        CHECK (octet_length(client_id) BETWEEN 1 AND 512),
    expires_at BIGINT NOT NULL,
    -- Once a TPM's identity was accepted: which key it is to vouch for, the digest of the secret that
    -- only this TPM can open, and the identity as JSON.
    attested_key_id TEXT COLLATE "C"
        CONSTRAINT attested_key_id_length
        CHECK (octet_length(attested_key_id) = 46),
    attested_public_key BYTEA
        CONSTRAINT attested_public_key_length
        CHECK (octet_length(attested_public_key) BETWEEN 1 AND 1024),
    credential_secret_sha256 BYTEA
        CONSTRAINT credential_secret_sha256_length
        CHECK (octet_length(credential_secret_sha256) = 32),
    identity TEXT
        CONSTRAINT identity_length CHECK (octet_length(identity) BETWEEN 1 AND 65536),
    CONSTRAINT attested_wholly_or_not_at_all CHECK (
        (attested_key_id IS NULL) = (credential_secret_sha256 IS NULL)
        AND (attested_public_key IS NULL) = (credential_secret_sha256 IS NULL)
        AND (identity IS NULL) = (credential_secret_sha256 IS NULL)
    )
);

CREATE INDEX enrollment_challenges_of_account
    ON enrollment_challenges (account_user_id, expires_at);
CREATE INDEX enrollment_challenges_by_expiry ON enrollment_challenges (expires_at);

-- A row is a connection token that is good for one connection. The token itself is nowhere.
CREATE TABLE connection_challenges (
    token_sha256 BYTEA NOT NULL PRIMARY KEY
        CONSTRAINT token_sha256_length CHECK (octet_length(token_sha256) = 32),
    session_id TEXT COLLATE "C" NOT NULL UNIQUE
        CONSTRAINT session_id_length
        CHECK (octet_length(session_id) BETWEEN 1 AND 512),
    nonce BYTEA NOT NULL
        CONSTRAINT nonce_length CHECK (octet_length(nonce) BETWEEN 32 AND 256),
    key_id TEXT COLLATE "C" NOT NULL
        CONSTRAINT key_id_length CHECK (octet_length(key_id) = 46),
    account_user_id TEXT COLLATE "C" NOT NULL
        CONSTRAINT account_user_id_length
        CHECK (octet_length(account_user_id) BETWEEN 1 AND 512),
    client_id TEXT COLLATE "C" NOT NULL
        CONSTRAINT client_id_length
        CHECK (octet_length(client_id) BETWEEN 1 AND 512),
    expires_at BIGINT NOT NULL
);

CREATE INDEX connection_challenges_of_account
    ON connection_challenges (account_user_id, expires_at);
CREATE INDEX connection_challenges_by_expiry ON connection_challenges (expires_at);
CREATE INDEX connection_challenges_of_key ON connection_challenges (key_id);

-- A row stays for good: a key that was revoked is never enrolled again, whatever it is called.
CREATE TABLE devices (
    key_id TEXT COLLATE "C" NOT NULL PRIMARY KEY
        CONSTRAINT key_id_length CHECK (octet_length(key_id) = 46),
    account_user_id TEXT COLLATE "C" NOT NULL
        CONSTRAINT account_user_id_length
        CHECK (octet_length(account_user_id) BETWEEN 1 AND 512),
    client_id TEXT COLLATE "C" NOT NULL
        CONSTRAINT client_id_length
        CHECK (octet_length(client_id) BETWEEN 1 AND 512),
    public_key_spki_der BYTEA NOT NULL UNIQUE
        CONSTRAINT public_key_length CHECK (octet_length(public_key_spki_der) BETWEEN 1 AND 1024),
    -- What the client said; verified_kind is what was verified.
    protection_class TEXT COLLATE "C" NOT NULL
        CONSTRAINT protection_class_length
        CHECK (octet_length(protection_class) BETWEEN 1 AND 64),
    verified_kind TEXT COLLATE "C" NOT NULL
        CONSTRAINT verified_kind_length
        CHECK (octet_length(verified_kind) BETWEEN 1 AND 64),
    enrolled_at BIGINT NOT NULL,
    revoked_at BIGINT
);

CREATE INDEX devices_of_account
    ON devices (account_user_id, enrolled_at, key_id) WHERE revoked_at IS NULL;
