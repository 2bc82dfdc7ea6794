//! The one module that prints.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::cli::Format;

/// Prints. A reader that has gone (`cedge tree | head -1`) has seen enough: that is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Prints a line.
pub(crate) fn line(text: impl AsRef<str>) {
    print(&format!("{}\n", text.as_ref()));
}

/// Prints an error with its causes, to standard error.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    note(format!("error: {text}"));
}

/// Says something beside the output.
pub(crate) fn note(text: impl AsRef<str>) {
    let _ = writeln!(std::io::stderr().lock(), "{}", text.as_ref());
}

/// Rows under headings, in kubectl's own look.
pub(crate) fn table_lines(headings: &[&str], rows: Vec<Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(headings.to_vec());
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
        .to_string()
        .lines()
        .map(|l| l.trim_end().to_owned())
        .collect()
}

/// Prints rows under headings.
pub(crate) fn table(headings: &[&str], rows: Vec<Vec<String>>) {
    for row in table_lines(headings, rows) {
        line(row);
    }
}

/// Draws lines over those that were drawn before, on a terminal.
pub(crate) fn redraw(before: usize, lines: &[String]) {
    if before > 0 {
        print(&format!("\u{1b}[{before}A"));
    }
    for row in lines {
        line(format!("\u{1b}[2K{row}"));
    }
    // What was longer before is cleared.
    print("\u{1b}[J");
    let _ = std::io::stdout().flush();
}

/// Prints a value as JSON or YAML.
pub(crate) fn value(value: &impl Serialize, format: Format) -> anyhow::Result<()> {
    match format {
        Format::Json | Format::Wide | Format::Name => {
            line(serde_json::to_string_pretty(value)?);
        }
        Format::Yaml => print(&serde_saphyr::to_string(value)?),
    }
    Ok(())
}

/// Whether standard output is a terminal: colours and redrawing are for those.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// Colours a state, on a terminal.
pub(crate) fn state(text: &str) -> String {
    if !is_terminal() {
        return text.to_owned();
    }
    let code = match text {
        "Healthy" | "Running" | "Connected" => 32,
        "NotMatched" | "Cordoned" | "Suspended" => 90,
        "Failed" | "Unhealthy" | "Degraded" | "Killed" => 31,
        _ => 33,
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
