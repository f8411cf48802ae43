//! Checks that `docs/verifying.md` shows the examples unchanged.

use std::fs;
use std::path::Path;

use super::language::EXAMPLES;

/// The files in the document, each with the name of its language.
const SHOWN: [(&str, &str); 2] =
    [("python", "python/verify.py"), ("typescript", "typescript/verify.ts")];

/// The fenced blocks of a document, each with its language and the lines inside.
fn blocks(text: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.split_inclusive('\n');
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| line.trim_end() != "```");
            blocks.push((language.trim_end(), inside.collect()));
        }
    }
    blocks
}

#[test]
fn blocks_are_found_with_their_languages() {
    let text = "a\n```sh\none\n\ntwo\n```\nb\n```\n```\n";
    assert_eq!(blocks(text), [("sh", "one\n\ntwo\n".to_owned()), ("", String::new())]);
}

#[test]
fn every_block_of_code_is_a_tested_file() {
    let document = Path::new(EXAMPLES).join("../verifying.md");
    let document = fs::read_to_string(document).unwrap();
    let shown: Vec<_> =
        blocks(&document).into_iter().filter(|(language, _)| *language != "sh").collect();
    let languages: Vec<_> = shown.iter().map(|(language, _)| *language).collect();
    assert_eq!(languages, SHOWN.map(|(language, _)| language));
    for ((_, file), (_, shown)) in SHOWN.iter().zip(&shown) {
        let text = fs::read_to_string(Path::new(EXAMPLES).join(file)).unwrap();
        for (number, (shown, line)) in shown.lines().zip(text.lines()).enumerate() {
            assert_eq!(shown, line, "line {} of {file}", number + 1);
        }
        assert!(*shown == text, "{file} is not shown to its end");
    }
}
