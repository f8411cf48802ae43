//! Runs a test program until its end or its limit. A program that outlives its limit is asked where
//! it is, and killed.

use std::process::Command;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context as _, bail};
use device_key_process as process;

/// Runs the program. Fails if it fails or outlives the limit.
pub(crate) fn run(command: &mut Command, limit: Duration) -> anyhow::Result<()> {
    let line = process::line(command);
    let mut child = command.spawn().with_context(|| format!("cannot run {line}"))?;
    if let Some(status) = process::wait::within(&mut child, limit)? {
        return process::succeeded(command, status);
    }
    eprintln!("\n{line} is not done after {} s. Its processes and threads:", limit.as_secs());
    let mut killed = Vec::new();
    show(child.id(), "", &mut killed);
    // What the program started would keep its output open, and whoever reads it would wait.
    let _ = process::quiet(Command::new("kill").arg("-KILL").args(killed));
    child.wait()?;
    bail!("{line} outlived its limit")
}

/// Shows a process, its threads and its children. The test harness names a thread after its test,
/// and the kernel tells where a thread waits. Adds the processes to `shown`.
fn show(process: u32, indentation: &str, shown: &mut Vec<String>) {
    shown.push(process.to_string());
    let folder = format!("/proc/{process}");
    let read = |path: &str| fs::read(path).unwrap_or_default();
    let text = |path: &str| String::from_utf8_lossy(&read(path)).trim_end().replace('\0', " ");
    eprintln!("{indentation}{process}: {}", text(&format!("{folder}/cmdline")));
    for task in entries(&format!("{folder}/task")) {
        let field = |name: &str| text(&format!("{folder}/task/{task}/{name}"));
        eprintln!("{indentation}  {}: {} ({})", task, field("comm"), field("wchan"));
        for child in field("children").split_whitespace().filter_map(|child| child.parse().ok()) {
            show(child, &format!("{indentation}    "), shown);
        }
    }
}

fn entries(folder: &str) -> Vec<String> {
    let names = |folder: fs::ReadDir| {
        folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
    };
    fs::read_dir(folder).and_then(names).unwrap_or_else(|_: io::Error| Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn a_program_may_take_as_long_as_its_limit() {
        let limit = Duration::from_mins(1);
        run(&mut shell("true"), limit).unwrap();
        let failed = run(&mut shell("exit 42"), limit).unwrap_err();
        assert!(failed.downcast_ref::<process::Failed>().is_some(), "{failed:#}");
    }

    #[test]
    fn a_program_that_outlives_its_limit_is_killed() {
        // The output ends when nothing that the program started is left.
        let (mut output, theirs) = io::pipe().unwrap();
        let mut hanging = shell("sleep 1000 & wait");
        let outcome = run(hanging.stdout(theirs), Duration::from_millis(200));
        drop(hanging);
        assert!(outcome.unwrap_err().downcast_ref::<process::Failed>().is_none());
        assert_eq!(io::Read::read(&mut output, &mut [0]).unwrap(), 0);
    }
}
