//! Tests of the accounts file: which lines and which permissions are refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;

/// SHA-256 of `token`, as `sha256sum` prints it.
const TOKEN: &str = "3c469e9d6c5875d37a43f353d4f88e61fcf812c66eee3457465a40b0da4153e0";

async fn account(accounts: &AccountsFile, token: &str) -> Option<String> {
    let token = AccessToken::from_bytes(token.as_bytes()).unwrap();
    accounts.account(&token).await.unwrap().map(|account| account.as_str().to_owned())
}

#[tokio::test]
async fn only_the_right_token_finds_the_account() {
    let other = TOKEN.replace('3', "4");
    let text = format!("# accounts\n\n{other} one\n{TOKEN} two words\r\n");
    let accounts: AccountsFile = text.trim_end().parse().unwrap();
    assert_eq!(account(&accounts, "token").await.as_deref(), Some("two words"));
    for wrong in ["toke", "token1", "Token", TOKEN] {
        assert_eq!(account(&accounts, wrong).await, None, "{wrong}");
    }
    assert_eq!(account(&AccountsFile(Vec::new()), "token").await, None);
}

#[test]
fn malformed_and_repeated_lines_are_refused() {
    let refused = |text: &str| text.parse::<AccountsFile>().unwrap_err();
    for line in [
        "account",
        TOKEN,
        &format!("{TOKEN} "),
        &format!("{TOKEN}\taccount"),
        &format!("{} account", TOKEN.to_uppercase()),
        &format!("{}+f account", &TOKEN[2..]),
        &format!("{TOKEN}00 account"),
        &format!(" {TOKEN} account"),
        &format!("{TOKEN} acc\u{7f}ount"),
    ] {
        let text = format!("# first\n{line}\n");
        assert!(matches!(refused(&text), AccountsFileError::Malformed(2)), "{line}");
    }
    let twice = format!("{TOKEN} one\n{TOKEN} two\n");
    assert!(matches!(refused(&twice), AccountsFileError::Repeated(2)));
}

#[test]
fn a_file_that_other_users_can_write_is_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("accounts");
    assert_eq!(AccountsFile::read(&path).unwrap_err().reason(), "io");
    fs::write(&path, format!("{TOKEN} account\n")).unwrap();
    for (mode, trusted) in [(0o600, true), (0o644, true), (0o620, false), (0o602, false)] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let outcome = AccountsFile::read(&path).map_err(|error| error.reason());
        assert_eq!(outcome.err(), (!trusted).then_some("untrusted"), "{mode:o}");
    }
    fs::write(&path, "#".repeat(1024 * 1024 + 1)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(AccountsFile::read(&path).unwrap_err().reason(), "too_long");
}

#[test]
fn only_visible_characters_are_a_token() {
    for good in ["a", "~", &"x".repeat(8192)] {
        assert!(AccessToken::from_bytes(good.as_bytes()).is_some());
    }
    for bad in ["", "a b", "a\n", "ü", &"x".repeat(8193)] {
        assert!(AccessToken::from_bytes(bad.as_bytes()).is_none());
    }
    let token = AccessToken::from_bytes(b"secret").unwrap();
    assert_eq!(format!("{token:?}"), "AccessToken(..)");
}
