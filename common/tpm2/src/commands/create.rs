//! `TPM2_Create` (Part 3, 12.1).

use std::time::Instant;

use super::parse_all;
use crate::client::{AuthorizedObject, SessionCommand, Tpm};
use crate::constants::CommandCode;
use crate::error::Error;
use crate::frame::ReturnsHandle;
use crate::marshal::{MarshalError, Writer};
use crate::session::{AuthValue, ParameterEncryption, Session};
use crate::structures::{
    CreationEvidence, EccP256Public, EccP256Template, PrivateBlob, PublicArea,
};

/// A key that the TPM made and returned encrypted. The key is not loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreatedKey {
    /// The private part. Only this TPM can read it, and only under the same parent.
    pub private: PrivateBlob,
    /// The public area.
    pub public: EccP256Public,
}

impl Tpm {
    /// Makes a key under `parent`. The new key's authValue and the returned private part are
    /// encrypted between this crate and the TPM.
    ///
    /// Fails with [`Error::UnexpectedKey`] if the returned public area does not match `template`.
    pub fn create(
        &mut self,
        session: &mut Session,
        parent: AuthorizedObject<'_>,
        template: &EccP256Template,
        auth_value: &AuthValue,
        deadline: Instant,
    ) -> Result<CreatedKey, Error> {
        let command = CommandCode::Create;
        let in_session = SessionCommand {
            code: command,
            key: parent,
            other: None,
            encryption: ParameterEncryption::Both,
            returns: ReturnsHandle::No,
        };
        let parameters = parameters(template, auth_value).map_err(Error::Input)?;
        let body = self.run_in_session(session, &in_session, parameters, deadline)?;
        let (private, public) = parse_all(command, &body, |reader| {
            let private = PrivateBlob::parse(reader)?;
            let public = PublicArea::parse_tpm2b(reader)?;
            CreationEvidence::parse(reader)?;
            Ok((private, public))
        })?;
        match public {
            PublicArea::EccP256(public) if public.template() == template => {
                Ok(CreatedKey { private, public: *public })
            }
            _ => Err(Error::UnexpectedKey { command }),
        }
    }
}

fn parameters(template: &EccP256Template, auth_value: &AuthValue) -> Result<Writer, MarshalError> {
    let mut sensitive = Writer::new();
    sensitive.put_sized(auth_value.as_bytes())?.put_sized(&[])?;
    let mut writer = Writer::new();
    writer.put_sized(sensitive.as_bytes())?;
    template.build_tpm2b(&[], &mut writer)?;
    // outsideInfo is empty, and creationPCR is an empty list.
    writer.put_sized(&[])?.put_u32(0)?;
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use tpm2_protocol::data::TpmtPublic;
    use tpm2_protocol::frame::{TpmCommand, TpmCreateCommand, TpmMarshalBody};
    use tpm2_protocol::{TpmUnmarshal, TpmWriter};

    use super::*;
    use crate::frame::command;
    use crate::handle::Handle;

    /// In a session the first parameter is encrypted, so this test compares its plaintext.
    #[test]
    fn the_independent_crate_reads_the_parameters_before_encryption() {
        for secret in [&[][..], &[7; 32]] {
            let auth_value = AuthValue::try_from(secret).unwrap();
            let template = EccP256Template::device_key();
            let ours = parameters(&template, &auth_value).unwrap();
            let framed =
                command(CommandCode::Create, &[Handle::STORAGE_ROOT_KEY], &[], ours.as_bytes())
                    .unwrap();
            let theirs: TpmCreateCommand =
                TpmCommand::cast(framed.as_bytes()).unwrap().unmarshal().unwrap();
            let mut buffer = [0; 512];
            let mut writer = TpmWriter::new(&mut buffer);
            theirs.marshal_parameters(&mut writer).unwrap();
            assert_eq!(writer.as_bytes(), ours.as_bytes());
            assert_eq!(&*theirs.in_sensitive.inner.user_auth, secret);
            let (public, _) = TpmtPublic::unmarshal(&ours.as_bytes()[8 + secret.len()..]).unwrap();
            assert_eq!(public, theirs.in_public.inner);
        }
    }
}
