//! `device-key rewrap`: encrypts the service's secrets under a new wrapping key.

use device_key_host::HostError;
use device_key_types::ErrorChain;
use device_key_wrapping::{WrappedCount, WrappingKey};

use crate::args::RewrapArguments;
use crate::exit::{Exit, Failure};
use crate::report::line;
use crate::settings::Settings;
use crate::{compose, home};

/// Encrypts the secrets under the new key, and prints how many there are. The new key comes from
/// the credential that the service would use.
pub(crate) fn run(arguments: &RewrapArguments) -> Result<Exit, Failure> {
    let settings = Settings::resolve(&arguments.platform)?;
    let old = WrappingKey::from_file(&arguments.old_credential).map_err(|error| Failure {
        exit: Exit::Usage,
        what: "the old wrapping key cannot be used".to_owned(),
        cause: ErrorChain(&error).to_string(),
        fix: Some("name the file of the decrypted credential: 32 bytes without a line end".into()),
    })?;
    let home = home::open(&settings)?;
    let rewrapped = compose::builder(&settings).rewrap(&home, &old);
    let WrappedCount { opened, closed, plain } = rewrapped.map_err(|error| match error {
        HostError::NoWrappingKey => Failure {
            exit: Exit::ConfigurationUnusable,
            what: "there is no new wrapping key".to_owned(),
            cause: ErrorChain(&error).to_string(),
            fix: Some("run the command with the credential that the service gets".to_owned()),
        },
        error => compose::failure(&error),
    })?;
    line(format_args!("{opened} encrypted under the new wrapping key"))?;
    line(format_args!("{plain} not encrypted, unchanged"))?;
    line(format_args!("{closed} damaged or encrypted under a third wrapping key, unchanged"))?;
    Ok(if closed == 0 { Exit::Success } else { Exit::NotAsExpected })
}
