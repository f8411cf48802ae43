//! Runs the examples of `docs/verifying.md`: a proof has one outcome in every language.

mod case;
mod device;
mod document;
mod keys_and_signatures;
mod language;
mod spellings;
