//! Connections to a real swtpm.

use std::time::{Duration, Instant};

pub(crate) use device_key_testing::Swtpm;
use device_key_tpm2::{Tpm, TpmAddress, Transport};
use device_key_types::OsRandom;

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(20)
}

pub(crate) trait Connect {
    fn connect(&self) -> Box<dyn Transport>;

    fn tpm(&self) -> Tpm {
        Tpm::new(self.connect(), Box::new(OsRandom))
    }
}

impl Connect for Swtpm {
    fn connect(&self) -> Box<dyn Transport> {
        self.address().parse::<TpmAddress>().unwrap().connect(soon()).unwrap()
    }
}
