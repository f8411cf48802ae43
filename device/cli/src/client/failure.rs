//! Turns the client's errors into failures that tell a person what to do.

use std::error::Error as _;
use std::io;
use std::path::Path;

use device_key_client::{ClientError, ErrorData, ErrorObject};
use device_key_types::ErrorChain;

use crate::exit::{Exit, Failure};

/// What happened to a request, why, and what to do next.
pub(crate) fn of_request(error: ClientError) -> Failure {
    let unanswered = |method: &str, cause: String, fix: &str| Failure {
        exit: Exit::TransportFailed,
        what: format!("{method} was not answered, but may have been carried out"),
        cause,
        fix: Some(fix.to_owned()),
    };
    match error {
        ClientError::NoService { tried, source } => Failure {
            exit: Exit::NoService,
            what: "no service answers".to_owned(),
            cause: if let [path] = &*tried {
                why_nobody_answers(path, &source)
            } else {
                let tried: Vec<_> = tried.iter().map(|path| path.display().to_string()).collect();
                format!("neither {} exists", tried.join(" nor "))
            },
            fix: Some(
                "start the service, name its socket with --socket, or give --in-process to work \
                 without a service"
                    .to_owned(),
            ),
        },
        ClientError::UntrustedListener { listener, .. } => Failure {
            exit: Exit::UntrustedService,
            what: "the service is not trusted, and nothing was sent".to_owned(),
            cause: error.to_string(),
            fix: Some(format!(
                "find out who user {listener} is; if it is the service's user, give --service-uid \
                 {listener} or set DEVICE_KEY_SERVICE_UID"
            )),
        },
        ClientError::TimedOut { method, .. } => unanswered(
            &method,
            "the answer took too long".to_owned(),
            "try again with a longer --timeout",
        ),
        ClientError::Lost { method, source } => {
            let cause = match source.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
                    "the service closed the connection".to_owned()
                }
                _ => source.to_string(),
            };
            unanswered(&method, cause, "read the service's log, and try again")
        }
        ClientError::Unintelligible { source, .. } => Failure {
            exit: Exit::TransportFailed,
            what: "the service's answer cannot be understood".to_owned(),
            cause: ErrorChain(&*source).to_string(),
            fix: Some("use a service and a command of the same version".to_owned()),
        },
        ClientError::Refused { method, error } => refused(&method, *error),
        error => Failure::system(
            &error.to_string(),
            &error.source().map_or_else(String::new, |source| ErrorChain(source).to_string()),
        ),
    }
}

fn why_nobody_answers(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => format!("{path} does not exist"),
        io::ErrorKind::ConnectionRefused => format!("no service listens at {path}"),
        // The listener's queue of connections is full.
        io::ErrorKind::WouldBlock => format!("{path} accepts no more connections"),
        _ => format!("{path}: {error}"),
    }
}

fn refused(method: &str, error: ErrorObject) -> Failure {
    let ErrorObject { message, data: ErrorData { reason, field, available, cause }, .. } = error;
    let reason = reason.map(|reason| reason.to_string());
    let mut details: Vec<String> = reason.iter().cloned().collect();
    details.extend(field.map(|field| format!("field {field}")));
    details.extend(cause.map(|cause| format!("cause {cause}")));
    details.extend(available.map(|classes| {
        let classes: Vec<_> = classes.iter().map(ToString::to_string).collect();
        format!("available {}", classes.join(", "))
    }));
    let cause = match &*details {
        [] => message.into_owned(),
        details => format!("{message} ({})", details.join("; ")),
    };
    Failure {
        exit: Exit::Refused,
        what: format!("{method} was refused"),
        cause,
        fix: reason.as_deref().and_then(fix).map(str::to_owned),
    }
}

/// What a person can do about a refusal, if anything.
fn fix(reason: &str) -> Option<&'static str> {
    Some(match reason {
        "key_not_found" => "device-key list shows the keys of this user",
        "invalid_cursor" => "begin again without --cursor",
        "hardware_unavailable" => "device-key doctor shows what is missing",
        "degraded_protection_not_allowed" => {
            "give --policy allow-os-protected-nonextractable if that protection is enough"
        }
        "os_protection_unavailable" => {
            "OS-protected keys need a service under a user of its own; device-key doctor shows \
             what is missing"
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
        "key_lost" => "create and enroll a new key, then delete this key",
        "not_permitted" => "run the command as root, and connect to the service itself",
        "method_not_found" => "use a service of this command's version",
        "state_replaced" => "see the service's log, then restart the service",
        "state_too_new" => "use a service of a newer version",
        "state_unavailable" | "provider_failed" | "internal" => "see the service's log",
        _ => return None,
    })
}
