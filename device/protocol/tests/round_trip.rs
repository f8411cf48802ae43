//! What one side writes, the other side reads, and writing it again gives the same bytes.
#![expect(clippy::unwrap_used, reason = "tests")]

use device_key_protocol::admin::{AdminListParams, AdminListResult, PurgeParams, PurgeResult};
use device_key_protocol::attestation::{ActivateParams, IdentityParams};
use device_key_protocol::initialize::{InitializeParams, InitializeResult};
use device_key_protocol::key::{CreateParams, KeyResult, PublicParams, SignParams, SignResult};
use device_key_protocol::lifecycle::{
    DeleteParams, DeleteResult, ListParams, ListResult, ListedKey, ProvidersParams, ProvidersResult,
};
use device_key_types::{DeviceKeyId, ProtectionPolicy};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

const ID: &str = "dk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// The base point of P-256 (SEC 2, section 2.4.2) in DER.
const PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9Q==";
const SIGNATURE: &str = "MAYCAQECAQE=";

fn round_trip<T: Serialize + DeserializeOwned>(json: &str) {
    let value: T = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&value).unwrap(), json);
}

#[test]
fn params() {
    let id: DeviceKeyId = ID.parse().unwrap();
    let key_id = format!(r#"{{"keyId":"{ID}"}}"#);
    round_trip::<PublicParams>(&key_id);
    round_trip::<DeleteParams>(&key_id);
    round_trip::<ProvidersParams>("{}");
    round_trip::<AdminListParams>("{}");
    round_trip::<AdminListParams>(r#"{"uid":4003,"cursor":"7"}"#);
    round_trip::<PurgeParams>(r#"{"uid":4003}"#);
    round_trip::<ListParams>("{}");
    round_trip::<ListParams>(r#"{"accountUserId":"a","clientId":"c","cursor":"x","limit":7}"#);
    round_trip::<InitializeParams>(r#"{"clientInfo":{"name":"n","version":"v"}}"#);
    round_trip::<InitializeParams>(
        r#"{"clientInfo":{"name":"n","version":"v","title":"t"},"capabilities":{"experimentalApi":true}}"#,
    );
    let create = r#"{"accountUserId":"a","clientId":"c","protectionPolicy":"hardware_only"}"#;
    round_trip::<CreateParams>(create);
    let (account, client) = ("a".parse().unwrap(), "c".parse().unwrap());
    let params = CreateParams::new(&account, &client, Some(ProtectionPolicy::HardwareOnly));
    assert_eq!(serde_json::to_string(&params).unwrap(), create);
    round_trip::<CreateParams>(r#"{"accountUserId":"a","clientId":"c"}"#);

    let raw = || RawValue::from_string(r#"{"b": 1.50, "a": 2}"#.to_owned()).unwrap();
    let sign = serde_json::to_string(&SignParams::new(&id, raw())).unwrap();
    assert_eq!(sign, format!(r#"{{"keyId":"{ID}","payload":{{"b": 1.50, "a": 2}}}}"#));
    round_trip::<SignParams>(&sign);
    let identity = IdentityParams::new(&id, raw(), Some("ecc_p256".parse().unwrap()));
    round_trip::<IdentityParams>(&serde_json::to_string(&identity).unwrap());
    let credential = r#"{"credentialBlob":"AAE=","encryptedSecret":"Ag=="}"#;
    let activate = ActivateParams::new(identity, &serde_json::from_str(credential).unwrap());
    let activate = serde_json::to_string(&activate).unwrap();
    assert!(activate.contains(r#""credentialBlob":"AAE=","encryptedSecret":"Ag==""#), "{activate}");
    round_trip::<ActivateParams>(&activate);
}

#[test]
fn results() {
    round_trip::<AdminListResult>(r#"{"users":[{"uid":0,"keys":1}],"nextCursor":"0"}"#);
    round_trip::<PurgeResult>(r#"{"purged":3}"#);
    let key = format!(
        r#"{{"keyId":"{ID}","publicKeySpkiDerBase64":"{PUBLIC_KEY}","algorithm":"ecdsa_p256_sha256","protectionClass":"hardware_tpm""#
    );
    round_trip::<KeyResult>(&format!("{key}}}"));
    round_trip::<KeyResult>(&format!(r#"{key},"tpmKind":"physical"}}"#));
    round_trip::<KeyResult>(&format!(r#"{key},"tpmKind":"a_later_kind"}}"#));
    let signed = format!(
        r#"{{"signatureDerBase64":"{SIGNATURE}","signedPayloadBase64":"e30=","algorithm":"ecdsa_p256_sha256"}}"#
    );
    round_trip::<SignResult>(&signed);
    let hidden = format!("{:?}", serde_json::from_str::<SignResult>(&signed).unwrap());
    assert_eq!(hidden, "SignResult { .. }");
    let listed = format!(
        r#"{{"keyId":"{ID}","accountUserId":"a","clientId":"c","algorithm":"ecdsa_p256_sha256","protectionClass":"hardware_tpm","tpmKind":"physical","createdAt":1700000000}}"#
    );
    round_trip::<ListResult<ListedKey>>(&format!(r#"{{"keys":[{listed}]}}"#));
    round_trip::<ListResult<ListedKey>>(&format!(r#"{{"keys":[{listed}],"nextCursor":"{ID}"}}"#));
    round_trip::<DeleteResult>("{}");
    let providers = r#"[{"name":"os","protectionClass":"os_protected_nonextractable","available":false,"reason":"os_protection_unavailable","cause":"same_user"},{"name":"new","protectionClass":"later","available":true}]"#;
    round_trip::<ProvidersResult>(&format!(r#"{{"providers":{providers}}}"#));
    round_trip::<InitializeResult>(&format!(
        r#"{{"userAgent":"u","codexHome":"/","platformFamily":"unix","platformOs":"linux","serverInfo":{{"name":"n","version":"v"}},"deviceKey":{{"providers":{providers}}}}}"#
    ));
}
