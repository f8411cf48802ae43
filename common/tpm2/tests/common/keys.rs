//! The setup of most tests: a storage root key, a session and a loaded key.

use std::time::Instant;

use device_key_tpm2::storage_key::{self, StorageKey};
use device_key_tpm2::{
    AuthValue, AuthorizedObject, CreatedKey, EccP256Template, EcdsaSignature, Error, Object,
    Session, Tpm,
};
use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::ecdsa::{Signature, VerifyingKey};

pub(crate) struct Keys {
    pub(crate) parent: StorageKey,
    pub(crate) session: Session,
    pub(crate) created: CreatedKey,
    pub(crate) loaded: Object,
    pub(crate) secret: AuthValue,
}

impl Keys {
    pub(crate) fn make(tpm: &mut Tpm, secret: &[u8], deadline: Instant) -> Self {
        let parent = storage_key::provision(tpm, deadline).unwrap();
        let mut session =
            tpm.start_session(parent.object.handle, &parent.public, deadline).unwrap();
        let secret = AuthValue::try_from(secret).unwrap();
        let template = EccP256Template::device_key();
        let under = authorized_parent(&parent);
        let created = tpm.create(&mut session, under, &template, &secret, deadline).unwrap();
        let loaded =
            tpm.load(&mut session, under, &created.private, &created.public, deadline).unwrap();
        Self { parent, session, created, loaded, secret }
    }

    pub(crate) fn sign(
        &mut self,
        tpm: &mut Tpm,
        digest: &[u8; 32],
        deadline: Instant,
    ) -> Result<EcdsaSignature, Error> {
        let key = AuthorizedObject { object: &self.loaded, auth_value: &self.secret };
        tpm.sign(&mut self.session, key, digest, deadline)
    }

    pub(crate) fn verifies(&self, digest: &[u8; 32], signature: EcdsaSignature) -> bool {
        let key = VerifyingKey::from(self.created.public.point().public_key());
        let signature = Signature::from_slice(&signature.to_bytes()).unwrap();
        key.verify_prehash(digest, &signature).is_ok()
    }
}

/// The parent key with its empty authorization.
pub(crate) fn authorized_parent(parent: &StorageKey) -> AuthorizedObject<'_> {
    static EMPTY: std::sync::LazyLock<AuthValue> = std::sync::LazyLock::new(AuthValue::empty);
    AuthorizedObject { object: &parent.object, auth_value: &EMPTY }
}
