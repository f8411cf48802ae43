//! What `docs/verifying.md` shows, in each of its languages: one outcome for one proof everywhere.

mod case;
mod device;
mod document;
mod keys_and_signatures;
mod language;
mod spellings;
