//! Compares the tables in docs/command-line.md with the help texts of the program.

use std::collections::{BTreeMap, BTreeSet};

use crate::program::{device_key, run};

const DOCUMENT: &str = include_str!("../../../../docs/command-line.md");
const EXIT_CODES: &str = include_str!("../../src/exit.rs");

/// The options of a command, each with its environment variable.
type Options = BTreeMap<String, Option<String>>;

/// The cells of each row of the table below this heading, without the table's header.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = DOCUMENT.split_once(&format!("\n## {heading}\n")).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    rows.skip(2).map(|row| row.split('|').map(str::trim).collect()).collect()
}

/// The words between backticks in a cell.
fn code(cell: &'static str) -> impl Iterator<Item = &'static str> {
    cell.split('`').skip(1).step_by(2)
}

fn documented_commands() -> Vec<&'static str> {
    table("Commands").iter().map(|row| code(row[0]).next().unwrap()).collect()
}

/// The options of this command according to the document.
fn documented_options(command: &str) -> Options {
    let commands = documented_commands();
    let first_of_keys = commands.iter().position(|command| *command == "create").unwrap();
    let is_of_keys = commands[first_of_keys..].contains(&command);
    let options = table("Options").into_iter().filter(|row| {
        let named = row[2].split(", ").any(|name| name == "all" || name == "keys" && is_of_keys);
        named || code(row[2]).any(|name| name == command)
    });
    let option = |row: Vec<&'static str>| {
        let name = code(row[0]).next().unwrap().split(' ').next().unwrap();
        (name.to_owned(), code(row[1]).next().map(str::to_owned))
    };
    options.map(option).collect()
}

fn help(command: Option<&str>) -> String {
    let output = match command {
        Some(command) => run(device_key(command).arg("--help")),
        None => run(&mut device_key("--help")),
    };
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stdout).unwrap()
}

/// The options in the help text of this command, except `--help`.
fn options(command: &str) -> Options {
    let help = help(Some(command));
    let mut options: Vec<(String, Option<String>)> = Vec::new();
    for line in help.lines() {
        let words = line.trim_start();
        let words = words.strip_prefix("-h, ").unwrap_or(words);
        if words.starts_with("--") {
            options.push((words.split(' ').next().unwrap().to_owned(), None));
        }
        if let Some((_, variable)) = line.split_once("[env: ") {
            let (variable, _) = variable.split_once('=').unwrap();
            options.last_mut().unwrap().1 = Some(variable.to_owned());
        }
    }
    options.retain(|(option, _)| option != "--help");
    options.into_iter().collect()
}

#[test]
fn every_command_is_documented() {
    let help = help(None);
    let (_, listed) = help.split_once("Commands:\n").unwrap();
    let listed = listed.lines().take_while(|line| !line.is_empty());
    let names = listed.filter_map(|line| line.split_whitespace().next());
    let names: Vec<_> = names.filter(|name| *name != "help").collect();
    assert_eq!(names, documented_commands());
}

#[test]
fn every_option_is_documented_with_its_environment_variable() {
    for command in documented_commands() {
        assert_eq!(options(command), documented_options(command), "{command}");
    }
}

#[test]
fn every_exit_code_is_documented() {
    let numbers = EXIT_CODES
        .lines()
        .filter_map(|line| line.trim().strip_suffix(',')?.split_once("=> ")?.1.parse::<u8>().ok());
    let documented = table("Exit codes").into_iter().map(|row| row[0].parse().unwrap());
    assert_eq!(numbers.collect::<BTreeSet<_>>(), documented.collect::<BTreeSet<_>>());
}
