//! A server that does the least that signing over a socket needs.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::{fs, thread};

use anyhow::{Context as _, Result};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64ct::{Base64, Encoding as _};
use device_key_types::payload::{Draft, SyntaxOnly};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The id of the only key.
pub(crate) const KEY_ID: &str = "dk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[derive(Deserialize)]
struct Request<'a> {
    id: i64,
    #[serde(borrow)]
    params: Params<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Params<'a> {
    key_id: &'a str,
    #[serde(borrow)]
    payload: &'a RawValue,
}

#[derive(Serialize)]
struct Answer {
    id: i64,
    result: Statement,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    signature_der_base64: String,
    signed_payload_base64: String,
    algorithm: &'static str,
}

/// Does the least that signing over a socket needs.
///
/// One thread serves each connection. It parses each line, looks up the key in memory, writes the
/// statement canonically, signs it and answers. It checks nothing.
pub(crate) fn serve(socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666))?;
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING)
        .ok()
        .context("the key could not be made")?;
    let keys = Arc::new(HashMap::from([(KEY_ID.to_owned(), key)]));
    for stream in listener.incoming() {
        let (stream, keys) = (stream?, Arc::clone(&keys));
        // The thread ends with an error when its client disconnects, and the error is dropped.
        thread::spawn(move || serve_connection(stream, &keys));
    }
    Ok(())
}

fn serve_connection(stream: UnixStream, keys: &HashMap<String, EcdsaKeyPair>) -> Result<()> {
    let random = SystemRandom::new();
    let mut lines = BufReader::new(stream.try_clone()?);
    let mut output = stream;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let Request { id, params } = serde_json::from_slice(&line)?;
        let key = keys.get(params.key_id).context("no such key")?;
        let payload = Draft::from_json(params.payload.get())?
            .parse(&SyntaxOnly)
            .map_err(|error| anyhow::anyhow!("{}", error.reason))?;
        let message = payload.signed_bytes()?;
        let signature = key.sign(&random, &message).ok().context("signing failed")?;
        let mut answer = serde_json::to_vec(&Answer {
            id,
            result: Statement {
                signature_der_base64: Base64::encode_string(signature.as_ref()),
                signed_payload_base64: Base64::encode_string(&message),
                algorithm: device_key_types::ALGORITHM,
            },
        })?;
        answer.push(b'\n');
        output.write_all(&answer)?;
        line.clear();
    }
    Ok(())
}
