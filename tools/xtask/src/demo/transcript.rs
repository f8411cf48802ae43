//! Compares what the demo prints with the document that shows it.

use std::borrow::Cow;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context as _, bail};
use device_key_process as process;

/// The fences around the transcript in the document.
const FENCES: (&str, &str) = ("```text\n", "```\n");

/// The commands of a run and what they print, with `…` for the parts that differ from run to run.
pub(crate) struct Transcript {
    text: String,
    /// Texts of this run, each with what stands for it.
    masks: Vec<(String, &'static str)>,
}

impl Transcript {
    pub(crate) fn new() -> Self {
        let home = env::var("HOME").into_iter().filter(|home| home.starts_with('/'));
        let masks = home.map(|home| (format!("{home}/"), "/home/me/")).collect();
        Self { text: String::new(), masks }
    }

    /// Shows `shown` instead of this path from now on.
    pub(crate) fn mask(&mut self, path: &Path, shown: &'static str) {
        // A path may lie below the home folder, so it is replaced before that folder is.
        self.masks.insert(0, (path.display().to_string(), shown));
    }

    /// Runs a command, shows it with its output, and adds both to the transcript.
    pub(crate) fn record(&mut self, command: &mut Command) -> anyhow::Result<()> {
        let output = process::recorded(command)?;
        let separator = if self.text.is_empty() { "" } else { "\n" };
        let shown = format!("{separator}$ {}\n{output}", process::line(command));
        let masks = self.masks.iter();
        let shown = masks.fold(shown, |shown, (text, mask)| shown.replace(text, mask));
        self.text.extend(shown.split_inclusive([' ', '\n', ',']).map(masked));
        Ok(())
    }

    /// Compares the document with the transcript. If they differ, rewrites the document and fails.
    pub(crate) fn hold_against(&self, document: &Path) -> anyhow::Result<()> {
        let name = document.display();
        let text = fs::read_to_string(document).with_context(|| format!("cannot read {name}"))?;
        let parts = text.split_once(FENCES.0).and_then(|(before, rest)| {
            rest.split_once(FENCES.1).map(|(shown, after)| (before, shown, after))
        });
        let (before, shown, after) = parts.with_context(|| format!("{name} has no transcript"))?;
        if shown == self.text {
            return Ok(());
        }
        fs::write(document, [before, FENCES.0, &self.text, FENCES.1, after].concat())?;
        bail!(
            "{name} did not show what the demo prints; it does now, so look at the change and \
             commit it"
        )
    }
}

/// A word without the part that differs from run to run: a key id, a public key, a version.
fn masked(word: &str) -> Cow<'_, str> {
    let text = word.trim_end_matches([' ', '\n', ',']);
    let is_long = text.len() > 16;
    let kept = ["dk_", "MFkw", "0x"].into_iter().find(|start| is_long && text.starts_with(start));
    let Some(kept) = kept else { return word.into() };
    word.replacen(text, &format!("{kept}…"), 1).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(script: &str) -> Transcript {
        let mut transcript = Transcript::new();
        transcript.mask(Path::new("/tmp/of-this-run"), "/tmp/…");
        transcript.record(Command::new("echo").arg(script)).unwrap();
        transcript
    }

    #[test]
    fn what_differs_from_run_to_run_is_masked() {
        let key = "dk_00JUXIHaNgOPSWH3BSZNl4KZdB2S2ViR6mF6xl1msrk";
        let shown =
            transcript(&format!("/tmp/of-this-run/sock {key} dk_ 0x2019102300163636, 0x81"));
        let line = "/tmp/…/sock dk_… dk_ 0x…, 0x81";
        assert_eq!(shown.text, format!("$ echo '{line}'\n{line}\n"));
    }

    #[test]
    fn a_document_that_shows_something_else_is_rewritten_and_fails() {
        let folder = tempfile::tempdir().unwrap();
        let document = folder.path().join("demo.md");
        fs::write(&document, "before\n```text\nold\n```\nafter\n").unwrap();
        let shown = transcript("new");
        assert!(shown.hold_against(&document).is_err());
        let text = fs::read_to_string(&document).unwrap();
        assert_eq!(text, "before\n```text\n$ echo new\nnew\n```\nafter\n");
        shown.hold_against(&document).unwrap();
        fs::write(&document, "nothing").unwrap();
        assert!(shown.hold_against(&document).is_err());
    }
}
