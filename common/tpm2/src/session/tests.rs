//! Tests of the authorization and verification in HMAC sessions.

use proptest::prelude::*;

use super::*;

const PARAMETERS: [u8; 6] = [0, 2, 0xaa, 0xbb, 1, 2];

fn session() -> Session {
    let salt = Salt { secret: Zeroizing::new([1; 32]), encrypted: Vec::new() };
    Session::open(Handle::new(0x0200_0000), &salt, &[2; 32], [3; 32])
}

fn authorization(encryption: ParameterEncryption) -> (Authorization, [u8; 6]) {
    let mut parameters = PARAMETERS;
    let authorization = session()
        .authorize(
            CommandCode::Sign,
            [&Name::sha256(b"key")],
            &AuthValue::empty(),
            [4; 32],
            encryption,
            &mut parameters,
        )
        .unwrap();
    (authorization, parameters)
}

/// The authorization area that an honest TPM would append.
fn response_area(authorization: &Authorization, parameters: &[u8], attributes: u8) -> Vec<u8> {
    let hash: [u8; 32] = Sha256::new()
        .chain_update([0; 4])
        .chain_update(CommandCode::Sign.value().to_be_bytes())
        .chain_update(parameters)
        .finalize()
        .into();
    let hmac =
        authorization.session_value.authenticate(&[&hash, &[5; 32], &[4; 32], &[attributes]]);
    let mut writer = Writer::new();
    writer.put_sized(&[5; 32]).unwrap().put_u8(attributes).unwrap().put_sized(&hmac).unwrap();
    writer.as_bytes().to_vec()
}

#[test]
fn an_authentic_response_gives_the_next_nonce() {
    let (authorization, _) = authorization(ParameterEncryption::None);
    let area = response_area(&authorization, &PARAMETERS, 1);
    assert_eq!(authorization.accept(&mut PARAMETERS.clone(), &mut Reader::new(&area)), Ok([5; 32]));
}

#[test]
fn any_changed_bit_of_a_response_is_noticed() {
    let (authorization, _) = authorization(ParameterEncryption::None);
    let area = response_area(&authorization, &PARAMETERS, 1);
    for bit in 0..PARAMETERS.len() * 8 {
        let mut parameters = PARAMETERS;
        parameters[bit / 8] ^= 1 << (bit % 8);
        assert!(authorization.accept(&mut parameters, &mut Reader::new(&area)).is_err());
    }
    for bit in 0..area.len() * 8 {
        let mut area = area.clone();
        area[bit / 8] ^= 1 << (bit % 8);
        assert!(authorization.accept(&mut PARAMETERS.clone(), &mut Reader::new(&area)).is_err());
    }
    for length in 0..area.len() {
        let cut = &area[..length];
        assert!(authorization.accept(&mut PARAMETERS.clone(), &mut Reader::new(cut)).is_err());
    }
}

#[test]
fn authentic_responses_with_unrequested_attributes_are_refused() {
    let (authorization, _) = authorization(ParameterEncryption::Both);
    for attributes in [0x00, 0x01, 0x21, 0xe1] {
        let area = response_area(&authorization, &PARAMETERS, attributes);
        assert!(
            matches!(
                authorization.accept(&mut PARAMETERS.clone(), &mut Reader::new(&area)),
                Err(ResponseFault::Malformed(MarshalError::Value { .. }))
            ),
            "{attributes:#x}"
        );
    }
}

#[test]
fn commands_are_encrypted_only_if_requested() {
    assert_eq!(authorization(ParameterEncryption::None).1, PARAMETERS);
    let (_, encrypted) = authorization(ParameterEncryption::Command);
    assert_ne!(encrypted, PARAMETERS);
    assert_eq!(encrypted[..2], PARAMETERS[..2]);
    assert_eq!(encrypted[4..], PARAMETERS[4..]);
}

#[test]
fn debug_shows_no_keys() {
    let text = format!("{:?}", session());
    assert_eq!(text, "Session { handle: Handle(0x02000000), usable: true, .. }");
}

proptest! {
    #[test]
    fn accepting_never_panics(area in proptest::collection::vec(any::<u8>(), 0..90),
                              mut parameters in proptest::collection::vec(any::<u8>(), 0..20)) {
        let (authorization, _) = authorization(ParameterEncryption::Both);
        prop_assert!(authorization.accept(&mut parameters, &mut Reader::new(&area)).is_err());
    }
}
