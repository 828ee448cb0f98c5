//! `squall calibrate`: what TCP does in the simulated world, compared with Linux.

use super::exit::{Exit, Failure, complain, note, say, say_text};
use super::files;
use super::format::one_of;
use super::progress::spinner;
use crate::calibration::calibration;
use squall_calibration::{Recording, record, stored};
use squall_reports::Format;
use std::path::{Path, PathBuf};

/// Measures TCP in the simulated world, and sets it beside Linux.
///
/// Handshakes, repairs of losses, outages, fetches, small writes, silent peers and goodputs, each
/// with what Linux was measured to do, the ratio, and what decides it. It is the same each time. It
/// takes a minute or two.
///
/// With --record the Linux of this computer is measured instead, in some twenty minutes: with the
/// rights of root, in network namespaces of its own. It changes nothing outside of them.
///
/// As JSON: in `calibration` a list of objects with what, world, linux, unit, ratio, bounds (a list
/// of two) and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every ratio is within its bounds    1  one is not")]
pub(crate) struct Arguments {
    /// How to write it.
    #[arg(long, value_parser = one_of(&FORMATS), default_value = "text")]
    format: Format,

    /// Measure the Linux of this computer, and write what comes out to this file.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "linux"])]
    record: Option<PathBuf>,

    /// Measure only what has this in its name; the rest of the file stays.
    #[arg(long, value_name = "TEXT", requires = "record")]
    only: Option<String>,

    /// Compare with this file, which --record has written, instead of the table that Squall brings
    /// along.
    #[arg(long, value_name = "FILE")]
    linux: Option<PathBuf>,
}

/// The forms in which the measurements can be written.
const FORMATS: [Format; 3] = [Format::Text, Format::Json, Format::Markdown];

pub(crate) fn calibrate(arguments: &Arguments) -> Result<Exit, Failure> {
    if let Some(file) = &arguments.record {
        return write(file, arguments.only.as_deref());
    }
    let linux = match &arguments.linux {
        None => stored(),
        Some(file) => read(file)?,
    };
    // Several, but their programs wait for one thing at a time.
    squall_simulator::plays_one_world();
    let calibration = calibration(&linux).map_err(Failure::new)?;
    // It ends with its own line break.
    match arguments.format {
        Format::Json => say(calibration.json().trim_end()),
        Format::Markdown => say(calibration.markdown().trim_end()),
        // The others are not among FORMATS.
        _ => say_text(calibration.text().trim_end()),
    }
    let mut exit = Exit::AsExpected;
    for row in calibration.rows.iter().filter(|row| !row.is_close()) {
        let (what, ratio, [least, most]) = (&row.what, row.ratio, row.bounds);
        complain(format_args!(
            "{what}: the ratio {ratio:.3} is outside {least}..={most}"
        ));
        exit = Exit::NotAsExpected;
    }
    Ok(exit)
}

fn read(file: &Path) -> Result<Recording, Failure> {
    let failure =
        |error: &dyn std::fmt::Display| Failure::new(format_args!("{}: {error}", file.display()));
    let text = files::read_text(file, files::TEXT_MAX).map_err(|error| failure(&error))?;
    toml::from_str(&text).map_err(|error| failure(&error))
}

fn write(file: &Path, only: Option<&str>) -> Result<Exit, Failure> {
    let before = only.map(|_| read(file)).transpose()?;
    // We do not want to find out after twenty minutes that the file cannot be written.
    let failure = |error: std::io::Error| {
        Failure::new(format_args!("cannot write {}: {error}", file.display()))
    };
    (std::fs::OpenOptions::new().append(true).create(true))
        .open(file)
        .map_err(failure)?;
    let bar = spinner("measurements");
    let wanted = |what: &str| only.is_none_or(|text| what.contains(text));
    let recording = record(wanted, |done, total| {
        bar.set_position(done as u64);
        bar.set_message(format!("of {total}"));
    });
    bar.finish_and_clear();
    let mut recording = recording.map_err(|error| {
        Failure::new(format_args!(
            "this computer does not let us make network namespaces and TUN devices ({error}): run it as root, \
             where /dev/net/tun is"
        ))
    })?;
    if let Some(mut whole) = before {
        whole.update(recording);
        recording = whole;
    }
    let text = toml::to_string_pretty(&recording).map_err(Failure::new)?;
    files::write(file, text.as_bytes()).map_err(failure)?;
    note(format_args!(
        "{} measurements of {}",
        recording.answers.len(),
        recording.kernel
    ));
    Ok(Exit::AsExpected)
}
