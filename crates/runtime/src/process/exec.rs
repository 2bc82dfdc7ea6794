//! One more process in a container.

use std::process::Stdio;

use cedge_pod_lifecycle::ContainerId;

use super::ProcessRuntime;
use crate::cri::{Error, Exec, ExecConfig};
use crate::terminal::{ExecProcess, Terminal};

impl ProcessRuntime {
    pub(super) fn execute(&self, id: &ContainerId, config: &ExecConfig) -> Result<Exec, Error> {
        let files = self.files(id)?;
        if !self.is_running(&files) {
            return Err(Error::NotFound(format!("running container {id}")));
        }
        if config.argv.is_empty() {
            return Err(Error::Create("no command".into()));
        }
        let mut command = self.shim("exec", &files.0);
        if config.tty {
            command.arg("--tty");
        }
        command.arg("--").args(&config.argv);
        if config.tty {
            return start_on_terminal(command)
                .map_err(Error::system("start a command on a terminal"));
        }
        let stdin = if config.stdin {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Error::system("start a command"))?;
        Ok(Exec {
            stdin: child.stdin.take().map(|s| Box::new(s) as _),
            stdout: child.stdout.take().map(|s| Box::new(s) as _),
            stderr: child.stderr.take().map(|s| Box::new(s) as _),
            terminal: None,
            process: ExecProcess::new(child),
        })
    }
}

fn start_on_terminal(mut command: tokio::process::Command) -> std::io::Result<Exec> {
    let (terminal, end) = Terminal::open()?;
    command
        .stdin(end.try_clone()?)
        .stdout(end.try_clone()?)
        .stderr(end);
    let child = command.spawn()?;
    // The command holds copies of the other end: with it they are closed here, and its last process ends the terminal.
    drop(command);
    Ok(Exec {
        stdin: Some(Box::new(terminal.clone())),
        stdout: Some(Box::new(terminal.clone())),
        stderr: None,
        terminal: Some(terminal),
        process: ExecProcess::new(child),
    })
}
