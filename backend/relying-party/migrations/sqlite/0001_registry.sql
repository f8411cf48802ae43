-- What a relying party must remember: what it asked and nobody has answered yet, and whose devices
-- it knows. Times are Unix seconds. Lists that a later version may lengthen (classes, kinds) are
-- left to the parsers; a CHECK could only be changed by copying the table.

-- A row is a challenge that is open; whoever deletes the row has answered it.
CREATE TABLE enrollment_challenges (
    challenge_id TEXT NOT NULL PRIMARY KEY
        CONSTRAINT challenge_id_length
        CHECK (length(CAST(challenge_id AS BLOB)) BETWEEN 1 AND 512),
    -- As it is: a statement names the nonce, which is no secret, and is compared with it.
    nonce BLOB NOT NULL
        CONSTRAINT nonce_length CHECK (length(nonce) BETWEEN 32 AND 256),
    account_user_id TEXT NOT NULL
        CONSTRAINT account_user_id_length
        CHECK (length(CAST(account_user_id AS BLOB)) BETWEEN 1 AND 512),
    client_id TEXT NOT NULL
        CONSTRAINT client_id_length
        CHECK (length(CAST(client_id AS BLOB)) BETWEEN 1 AND 512),
    expires_at INTEGER NOT NULL,
    -- Once a TPM's identity was accepted: which key it is to vouch for, the digest of the secret that
    -- only this TPM can open, and the identity as JSON.
    attested_key_id TEXT
        CONSTRAINT attested_key_id_length
        CHECK (length(CAST(attested_key_id AS BLOB)) = 46),
    attested_public_key BLOB
        CONSTRAINT attested_public_key_length
        CHECK (length(attested_public_key) BETWEEN 1 AND 1024),
    credential_secret_sha256 BLOB
        CONSTRAINT credential_secret_sha256_length
        CHECK (length(credential_secret_sha256) = 32),
    identity TEXT
        CONSTRAINT identity_length CHECK (length(CAST(identity AS BLOB)) BETWEEN 1 AND 65536),
    CONSTRAINT attested_wholly_or_not_at_all CHECK (
        (attested_key_id IS NULL) = (credential_secret_sha256 IS NULL)
        AND (attested_public_key IS NULL) = (credential_secret_sha256 IS NULL)
        AND (identity IS NULL) = (credential_secret_sha256 IS NULL)
    )
) STRICT;

CREATE INDEX enrollment_challenges_of_account
    ON enrollment_challenges (account_user_id, expires_at);
CREATE INDEX enrollment_challenges_by_expiry ON enrollment_challenges (expires_at);

-- A row is a connection token that is good for one connection. The token itself is nowhere.
CREATE TABLE connection_challenges (
    token_sha256 BLOB NOT NULL PRIMARY KEY
        CONSTRAINT token_sha256_length CHECK (length(token_sha256) = 32),
    session_id TEXT NOT NULL UNIQUE
        CONSTRAINT session_id_length
        CHECK (length(CAST(session_id AS BLOB)) BETWEEN 1 AND 512),
    nonce BLOB NOT NULL
        CONSTRAINT nonce_length CHECK (length(nonce) BETWEEN 32 AND 256),
    key_id TEXT NOT NULL
        CONSTRAINT key_id_length CHECK (length(CAST(key_id AS BLOB)) = 46),
    account_user_id TEXT NOT NULL
        CONSTRAINT account_user_id_length
        CHECK (length(CAST(account_user_id AS BLOB)) BETWEEN 1 AND 512),
    client_id TEXT NOT NULL
        CONSTRAINT client_id_length
        CHECK (length(CAST(client_id AS BLOB)) BETWEEN 1 AND 512),
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX connection_challenges_of_account
    ON connection_challenges (account_user_id, expires_at);
CREATE INDEX connection_challenges_by_expiry ON connection_challenges (expires_at);
CREATE INDEX connection_challenges_of_key ON connection_challenges (key_id);

-- A row stays for good: a key that was revoked is never enrolled again, whatever it is called.
CREATE TABLE devices (
    key_id TEXT NOT NULL PRIMARY KEY
        CONSTRAINT key_id_length CHECK (length(CAST(key_id AS BLOB)) = 46),
    account_user_id TEXT NOT NULL
        CONSTRAINT account_user_id_length
        CHECK (length(CAST(account_user_id AS BLOB)) BETWEEN 1 AND 512),
    client_id TEXT NOT NULL
        CONSTRAINT client_id_length
        CHECK (length(CAST(client_id AS BLOB)) BETWEEN 1 AND 512),
    public_key_spki_der BLOB NOT NULL UNIQUE
        CONSTRAINT public_key_length CHECK (length(public_key_spki_der) BETWEEN 1 AND 1024),
    -- What the client said; verified_kind is what was verified.
    protection_class TEXT NOT NULL
        CONSTRAINT protection_class_length
        CHECK (length(CAST(protection_class AS BLOB)) BETWEEN 1 AND 64),
    verified_kind TEXT NOT NULL
        CONSTRAINT verified_kind_length
        CHECK (length(CAST(verified_kind AS BLOB)) BETWEEN 1 AND 64),
    enrolled_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_of_account
    ON devices (account_user_id, enrolled_at, key_id) WHERE revoked_at IS NULL;
