//! What the environment says: `SQUALL_SEED`, `SQUALL_SEEDS`, `SQUALL_FOR`, `SQUALL_PLAN`,
//! `SQUALL_OUT`.

use super::dice::Fixed;
use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a test is to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// Only this seed.
    pub(super) seed: Option<u64>,
    /// This many seeds, from 1.
    pub(super) seeds: Option<u64>,
    /// One seed after another for this long, but at least as many as without it.
    pub(super) length: Option<Duration>,
    /// What is decided in advance, and the seed that goes with it.
    pub(super) plan: Option<(u64, Fixed)>,
    /// Where findings are written.
    pub(super) out: Option<PathBuf>,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// What is wrong in it, and what to write instead.
    pub(super) fn read() -> Result<Self, String> {
        Self::from(|name| env::var(name).ok().filter(|text| !text.is_empty()))
    }

    fn from(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let number = |name: &str, least: u64| {
            let text = variable(name);
            let read = |text: String| {
                let number = text.trim().parse().ok().filter(|&number| number >= least);
                number.ok_or_else(|| {
                    format!(
                        "{name} is `{text}`: write a whole number from {least}, as in {name}=17"
                    )
                })
            };
            text.map(read).transpose()
        };
        let length = variable("SQUALL_FOR")
            .map(|text| length(&text))
            .transpose()?;
        let plan = variable("SQUALL_PLAN").map(|path| {
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|error| {
                format!("SQUALL_PLAN is `{path}`, which cannot be read: {error}")
            })?;
            read_plan(&text).map_err(|why| format!("{path}: {why}"))
        });
        Ok(Settings {
            seed: number("SQUALL_SEED", 0)?,
            seeds: number("SQUALL_SEEDS", 1)?,
            length,
            plan: plan.transpose()?,
            out: variable("SQUALL_OUT").map(PathBuf::from),
        })
    }
}

fn length(text: &str) -> Result<Duration, String> {
    let digits = text.trim().trim_end_matches(|it: char| it.is_alphabetic());
    let seconds = match &text.trim()[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    match digits.parse::<u64>() {
        Ok(count) if seconds > 0 => Ok(Duration::from_secs(count * seconds)),
        _ => Err(format!(
            "SQUALL_FOR is `{text}`: write a length of time, as in 90s, 10m or 2h"
        )),
    }
}

/// The plan as a file that [`read_plan`] can read.
pub(super) fn write_plan(head: &str, seed: u64, fixed: &Fixed) -> String {
    let mut table = toml::Table::new();
    // Seeds use all 64 bits, TOML's numbers one less.
    table.insert("seed".to_owned(), toml::Value::String(seed.to_string()));
    let fixed = fixed
        .iter()
        .map(|(label, value)| (label.clone(), toml::Value::String(value.clone())));
    table.insert("decided".to_owned(), toml::Value::Table(fixed.collect()));
    format!("{head}\n{table}")
}

fn read_plan(text: &str) -> Result<(u64, Fixed), String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        seed: String,
        decided: Fixed,
    }
    let File { seed, decided } = toml::from_str(text).map_err(|error| error.to_string())?;
    let seed = seed
        .parse()
        .map_err(|_| format!("the seed is `{seed}`: write a whole number in quotes"))?;
    Ok((seed, decided))
}

/// Where things are written by default: next to what cargo has built. None if this executable is
/// somewhere else.
pub(super) fn default_out() -> Option<PathBuf> {
    let executable = env::current_exe().ok()?;
    let deps = executable
        .parent()
        .filter(|it| it.file_name().is_some_and(|name| name == "deps"))?;
    Some(deps.parent()?.parent()?.join("squall"))
}

/// The shortest form of a path as seen from here.
pub(super) fn short(path: &Path) -> String {
    let here = env::current_dir().ok();
    let short = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_path_buf));
    short
        .unwrap_or_else(|| path.to_path_buf())
        .display()
        .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, String> {
        let find = |name: &str| {
            variables
                .iter()
                .find(|it| it.0 == name)
                .map(|it| it.1.to_owned())
        };
        Settings::from(find)
    }

    #[test]
    fn the_environment_says_what_to_play() {
        let asked = settings(&[("SQUALL_SEED", "17"), ("SQUALL_FOR", "10m")]).unwrap();
        assert_eq!(
            (asked.seed, asked.length),
            (Some(17), Some(Duration::from_secs(600)))
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        for (name, value, message) in [
            (
                "SQUALL_SEED",
                "x",
                "SQUALL_SEED is `x`: write a whole number from 0, as in SQUALL_SEED=17",
            ),
            (
                "SQUALL_SEEDS",
                "0",
                "SQUALL_SEEDS is `0`: write a whole number from 1, as in SQUALL_SEEDS=17",
            ),
            (
                "SQUALL_FOR",
                "soon",
                "SQUALL_FOR is `soon`: write a length of time, as in 90s, 10m or 2h",
            ),
        ] {
            assert_eq!(settings(&[(name, value)]).unwrap_err(), message);
        }
    }

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        let fixed = Fixed::from([("fault 1 (kill), begins".to_owned(), "2.5 s".to_owned())]);
        let text = write_plan("# A plan", u64::MAX, &fixed);
        assert_eq!(read_plan(&text), Ok((u64::MAX, fixed)), "{text}");
    }
}
