//! The manufacturer and version of a TPM (`TPM_PT_FIXED` properties, Part 2, 6.13).

/// What a TPM says about itself. The values are hints, because nothing authenticates them: a
/// simulator can say anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TpmProperties {
    /// `TPM_PT_MANUFACTURER`: four characters of the TCG vendor registry, such as `IBM`, `STM `,
    /// `INTC`.
    pub manufacturer: String,
    /// `TPM_PT_VENDOR_STRING_1` to `_4`, joined and without padding. swtpm says `SW   TPM`.
    pub vendor: String,
    /// `TPM_PT_FIRMWARE_VERSION_1` (high half) and `_2` (low half). The vendor decides what they
    /// mean.
    pub firmware_version: u64,
}

const MANUFACTURER: u32 = 0x0000_0105;
const VENDOR_STRING_1: u32 = 0x0000_0106;
const VENDOR_STRING_4: u32 = 0x0000_0109;
const FIRMWARE_VERSION_1: u32 = 0x0000_010B;
const FIRMWARE_VERSION_2: u32 = 0x0000_010C;

impl TpmProperties {
    /// The first property to read.
    pub(crate) const FIRST: u32 = MANUFACTURER;
    /// The number of properties from the first to the last.
    pub(crate) const COUNT: u32 = FIRMWARE_VERSION_2 - MANUFACTURER + 1;

    /// Picks the known properties from (property, value) pairs. A missing property stays empty.
    pub(crate) fn from_pairs(pairs: &[(u32, u32)]) -> Self {
        let mut properties = Self::default();
        for &(property, value) in pairs {
            match property {
                MANUFACTURER => properties.manufacturer = text(value),
                VENDOR_STRING_1..=VENDOR_STRING_4 => properties.vendor.push_str(&text(value)),
                FIRMWARE_VERSION_1 => properties.firmware_version |= u64::from(value) << 32,
                FIRMWARE_VERSION_2 => properties.firmware_version |= u64::from(value),
                _ => {}
            }
        }
        properties
    }
}

/// Decodes four characters, most significant byte first. Drops characters that are not printable
/// ASCII, because the text is written to logs and terminals.
fn text(value: u32) -> String {
    value
        .to_be_bytes()
        .into_iter()
        .map(char::from)
        .filter(|character| matches!(character, ' '..='~'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_properties_are_picked() {
        let properties = TpmProperties::from_pairs(&[
            (MANUFACTURER, 0x4942_4d00),
            (VENDOR_STRING_1, 0x5357_2020),
            (VENDOR_STRING_1 + 1, 0x2054_504d),
            (0x10a, 1),
            (FIRMWARE_VERSION_1, 0x2019_1023),
            (FIRMWARE_VERSION_2, 0x0016_3636),
        ]);
        assert_eq!(properties.manufacturer, "IBM");
        assert_eq!(properties.vendor, "SW   TPM");
        assert_eq!(properties.firmware_version, 0x2019_1023_0016_3636);
        assert_eq!(text(0x1b5b_3141), "[1A");
        assert_eq!(TpmProperties::COUNT, 8);
    }
}
