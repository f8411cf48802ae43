use serde::Deserialize;

use crate::exit::{Exit, Failure};

/// The `error` of an answer.
#[derive(Deserialize)]
pub(super) struct Refusal {
    message: String,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    reason: Option<String>,
    field: Option<String>,
    available: Option<Vec<String>>,
    cause: Option<String>,
}

impl Refusal {
    /// What happened, why, and what to do next.
    pub(super) fn failure(self, method: &str) -> Failure {
        let Data { reason, field, available, cause } = self.data;
        let mut details: Vec<String> = reason.iter().cloned().collect();
        details.extend(field.map(|field| format!("field {field}")));
        details.extend(cause.map(|cause| format!("cause {cause}")));
        details.extend(available.map(|classes| format!("available {}", classes.join(", "))));
        let cause = match &*details {
            [] => self.message,
            details => format!("{} ({})", self.message, details.join("; ")),
        };
        Failure {
            exit: Exit::Refused,
            what: format!("{method} was refused"),
            cause,
            cure: reason.as_deref().and_then(cure).map(str::to_owned),
        }
    }
}

/// What a person can do about a reason, where there is anything.
fn cure(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "key_not_found" => "device-key list shows the keys of this user",
        "invalid_cursor" => "begin again without --cursor",
        "hardware_unavailable" => "device-key doctor shows what is missing",
        "degraded_protection_not_allowed" => {
            "give --policy allow-os-protected-nonextractable if that protection will do"
        }
        "os_protection_unavailable" => {
            "such keys need a service under a user of its own; device-key doctor shows what is \
             missing"
        }
        "origin_not_allowed" | "path_not_allowed" => {
            "the operator of this machine can add a backend in config.toml"
        }
        "binding_mismatch" => "name the account and client of the key; device-key list shows them",
        "expired" | "expires_too_late" => "get a new challenge or token from the backend",
        "quota_exceeded" => "delete keys that are not needed any more",
        "overloaded" | "shutting_down" | "timeout" | "provider_busy" | "provider_unavailable" => {
            "try again"
        }
        "provider_locked_out" => "wait, or reset the lockout of the TPM",
        "key_lost" => "create a key and enroll it anew, then delete this one",
        "method_not_found" => "use a service of this command's version",
        "state_too_new" => "use a service of a newer version",
        "state_unavailable" | "provider_failed" | "internal" => "see the service's log",
        _ => return None,
    })
}
