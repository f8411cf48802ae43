//! Decides whether a TPM is physical, virtual or simulated, from what the TPM reports about itself.

use device_key_tpm2::TpmProperties;
use device_key_types::TpmKind;

/// Identifiers of the TCG TPM Vendor ID Registry (revision 1.07) whose holders make discrete or
/// firmware TPMs, without trailing spaces. `IBM` is in the registry too, but every simulator built
/// on the reference code reports it, so it does not count.
const MAKERS: [&str; 24] = [
    "AMD", "ATML", "BRCM", "CSCO", "FLYS", "ROCC", "HISI", "HPE", "HPI", "IFX", "INTC", "LEN",
    "NSG", "NSM", "NTC", "NTZ", "QCOM", "SECE", "SMSN", "SMSC", "SNS", "STM", "TXN", "WEC",
];

/// Whether these are the texts of a simulator. swtpm reports the vendor `SW   TPM`, Microsoft's
/// reference code reports `xCG fTPM`, and both report the manufacturer `IBM`.
fn is_simulator(manufacturer: &str, vendor: &str) -> bool {
    manufacturer == "IBM" || vendor.starts_with("SW") || vendor.starts_with("xCG")
}

/// Returns the kind of a TPM with these properties. An unknown manufacturer counts as virtual,
/// never as physical.
pub(crate) fn of(properties: &TpmProperties) -> TpmKind {
    let manufacturer = properties.manufacturer.trim_matches([' ', '\0']);
    if is_simulator(manufacturer, properties.vendor.trim_start()) {
        TpmKind::Simulated
    } else if MAKERS.contains(&manufacturer) {
        TpmKind::Physical
    } else {
        TpmKind::Virtual
    }
}

#[cfg(test)]
mod tests {
    use super::{TpmKind, TpmProperties, of};

    #[test]
    fn only_known_manufacturers_count_as_physical() {
        for (manufacturer, vendor, kind) in [
            ("IBM ", "SW   TPM", TpmKind::Simulated),
            ("IBM", "", TpmKind::Simulated),
            ("MSFT", "xCG fTPM", TpmKind::Simulated),
            ("MSFT", "", TpmKind::Virtual),
            ("GOOG", "vTPM", TpmKind::Virtual),
            ("", "", TpmKind::Virtual),
            ("XXXX", "", TpmKind::Virtual),
            ("IFX ", "SLB9670", TpmKind::Physical),
            ("STM ", "", TpmKind::Physical),
            ("INTC", "", TpmKind::Physical),
        ] {
            let properties = TpmProperties {
                manufacturer: manufacturer.to_owned(),
                vendor: vendor.to_owned(),
                ..TpmProperties::default()
            };
            assert_eq!(of(&properties), kind, "{manufacturer:?} {vendor:?}");
        }
    }
}
