//! Writes the DER (X.690) of certificates. A test can make each part wrong.

/// A value: tag, length, content.
pub(crate) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut value = vec![tag];
    match content.len() {
        length @ 0..=0x7f => value.push(u8::try_from(length).unwrap()),
        length @ 0x80..=0xff => value.extend([0x81, u8::try_from(length).unwrap()]),
        length => {
            value.push(0x82);
            value.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    [value.as_slice(), content].concat()
}

pub(crate) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn set(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x31, &parts.concat())
}

pub(crate) fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = Vec::new();
    for arc in [&[arcs[0] * 40 + arcs[1]], &arcs[2..]].concat() {
        let mut digits = vec![u8::try_from(arc & 0x7f).unwrap()];
        let mut rest = arc >> 7;
        while rest > 0 {
            digits.insert(0, u8::try_from(rest & 0x7f).unwrap() | 0x80);
            rest >>= 7;
        }
        content.extend(digits);
    }
    tlv(0x06, &content)
}

pub(crate) fn integer(value: u8) -> Vec<u8> {
    tlv(0x02, &[value])
}

pub(crate) fn bit_string(content: &[u8]) -> Vec<u8> {
    tlv(0x03, &[&[0], content].concat())
}

pub(crate) fn octet_string(content: &[u8]) -> Vec<u8> {
    tlv(0x04, content)
}

pub(crate) fn utf8_string(text: &str) -> Vec<u8> {
    tlv(0x0c, text.as_bytes())
}

pub(crate) const TRUE: [u8; 3] = [0x01, 0x01, 0xff];

/// `UTCTime` of a text such as `230101000000Z`.
pub(crate) fn utc_time(text: &str) -> Vec<u8> {
    tlv(0x17, text.as_bytes())
}

/// An explicitly tagged value.
pub(crate) fn explicit(number: u8, content: &[u8]) -> Vec<u8> {
    tlv(0xa0 | number, content)
}

/// An attribute of a name.
pub(crate) fn attribute(kind: &str, value: &[u8]) -> Vec<u8> {
    sequence(&[&oid(kind), value])
}

/// A name that consists of a common name.
pub(crate) fn common_name(text: &str) -> Vec<u8> {
    sequence(&[&set(&[&attribute("2.5.4.3", &utf8_string(text))])])
}

/// An extension of a certificate or list.
pub(crate) fn extension(kind: &str, critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &TRUE } else { &[] };
    sequence(&[&oid(kind), critical, &octet_string(value)])
}
