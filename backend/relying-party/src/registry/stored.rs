//! Converts the columns of a stored record into the types of the registry. All stores share this
//! code.

use std::str::FromStr;

use base64ct::{Base64UrlUnpadded, Encoding as _};
use device_key_types::{Nonce, PublicKey, Sha256Digest, UnixTime};

use super::challenge::{
    BegunAttestation, ConnectionChallenge, EnrollmentChallenge, OpenEnrollment,
};
use super::device::Device;
use super::error::DamagedRecord;

/// The columns of `enrollment_challenges`.
pub(crate) struct StoredEnrollment {
    pub(crate) challenge_id: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) account_user_id: String,
    pub(crate) client_id: String,
    pub(crate) expires_at: i64,
    pub(crate) attested_key_id: Option<String>,
    pub(crate) attested_public_key: Option<Vec<u8>>,
    pub(crate) credential_secret_sha256: Option<Vec<u8>>,
    pub(crate) identity: Option<String>,
}

/// The columns of `connection_challenges`.
pub(crate) struct StoredConnection {
    pub(crate) token_sha256: Vec<u8>,
    pub(crate) session_id: String,
    pub(crate) nonce: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) account_user_id: String,
    pub(crate) client_id: String,
    pub(crate) expires_at: i64,
}

/// The columns of `devices`.
pub(crate) struct StoredDevice {
    pub(crate) key_id: String,
    pub(crate) account_user_id: String,
    pub(crate) client_id: String,
    pub(crate) public_key_spki_der: Vec<u8>,
    pub(crate) protection_class: String,
    pub(crate) verified_kind: String,
    pub(crate) enrolled_at: i64,
    pub(crate) revoked_at: Option<i64>,
}

impl StoredEnrollment {
    pub(crate) fn parse(self) -> Result<OpenEnrollment, DamagedRecord> {
        let attestation = self.attestation()?;
        let challenge = EnrollmentChallenge {
            challenge_id: parsed("challenge_id", &self.challenge_id)?,
            nonce: nonce(&self.nonce)?,
            account_user_id: parsed("account_user_id", &self.account_user_id)?,
            client_id: parsed("client_id", &self.client_id)?,
            expires_at: UnixTime::from_seconds(self.expires_at),
        };
        Ok(OpenEnrollment { challenge, attestation })
    }

    /// Either all columns of the attestation are set or none is set. The schema guarantees this.
    fn attestation(&self) -> Result<Option<BegunAttestation>, DamagedRecord> {
        let columns = (
            &self.attested_key_id,
            &self.attested_public_key,
            &self.credential_secret_sha256,
            &self.identity,
        );
        let (Some(key_id), Some(key), Some(secret), Some(identity)) = columns else {
            return Ok(None);
        };
        Ok(Some(BegunAttestation {
            key_id: parsed("attested_key_id", key_id)?,
            public_key: public_key("attested_public_key", key)?,
            credential_secret_sha256: digest("credential_secret_sha256", secret)?,
            identity: serde_json::from_str(identity).map_err(|_| DamagedRecord("identity"))?,
        }))
    }
}

impl StoredConnection {
    pub(crate) fn parse(self) -> Result<ConnectionChallenge, DamagedRecord> {
        Ok(ConnectionChallenge {
            token_sha256: digest("token_sha256", &self.token_sha256)?,
            session_id: parsed("session_id", &self.session_id)?,
            nonce: nonce(&self.nonce)?,
            key_id: parsed("key_id", &self.key_id)?,
            account_user_id: parsed("account_user_id", &self.account_user_id)?,
            client_id: parsed("client_id", &self.client_id)?,
            expires_at: UnixTime::from_seconds(self.expires_at),
        })
    }
}

impl StoredDevice {
    pub(crate) fn parse(self) -> Result<Device, DamagedRecord> {
        Ok(Device {
            key_id: parsed("key_id", &self.key_id)?,
            account_user_id: parsed("account_user_id", &self.account_user_id)?,
            client_id: parsed("client_id", &self.client_id)?,
            public_key: public_key("public_key_spki_der", &self.public_key_spki_der)?,
            protection_class: parsed("protection_class", &self.protection_class)?,
            verified_kind: parsed("verified_kind", &self.verified_kind)?,
            enrolled_at: UnixTime::from_seconds(self.enrolled_at),
            revoked_at: self.revoked_at.map(UnixTime::from_seconds),
        })
    }
}

/// Parses a text column.
pub(crate) fn parsed<T: FromStr>(column: &'static str, text: &str) -> Result<T, DamagedRecord> {
    text.parse().map_err(|_| DamagedRecord(column))
}

fn nonce(bytes: &[u8]) -> Result<Nonce, DamagedRecord> {
    parsed("nonce", &Base64UrlUnpadded::encode_string(bytes))
}

fn digest(column: &'static str, bytes: &[u8]) -> Result<Sha256Digest, DamagedRecord> {
    <[u8; 32]>::try_from(bytes).map(Sha256Digest::from).map_err(|_| DamagedRecord(column))
}

fn public_key(column: &'static str, der: &[u8]) -> Result<PublicKey, DamagedRecord> {
    PublicKey::from_spki_der(der).map_err(|_| DamagedRecord(column))
}
