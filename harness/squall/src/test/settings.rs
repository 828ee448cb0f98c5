//! What the environment says, `SQUALL_SEED`, `SQUALL_SEEDS`, `SQUALL_FOR`, `SQUALL_PLAN`,
//! `SQUALL_OUT`, or a command line, `--seed` and so on.

use super::dice::Fixed;
use std::env;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a test is to do.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// Who says so.
    asker: Asker,
    /// Only this seed.
    seed: Option<u64>,
    /// These seeds, both ends included.
    range: Option<RangeInclusive<u64>>,
    /// One seed after another for this long, but at least as many as without it.
    pub(super) length: Option<Duration>,
    /// What is decided in advance.
    plan: Option<Plan>,
    /// Where findings are written.
    pub(super) out: Option<PathBuf>,
    /// Whether there may be more than one finding, each of which then has its own folder.
    pub(super) are_many: bool,
}

/// What is decided in advance, and the seed that goes with it.
#[derive(Clone, Debug, PartialEq)]
struct Plan {
    file: String,
    seed: u64,
    fixed: Fixed,
}

/// Who says what a test is to do: how it is asked is how it can be asked again.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum Asker {
    /// The environment of `cargo test`.
    #[default]
    Environment,
    /// The command line of this program.
    Command(String),
}

impl Asker {
    /// What a setting is called there: `SQUALL_SEED`, or `--seed`.
    fn name(&self, setting: &str) -> String {
        match self {
            Asker::Environment => format!("SQUALL_{}", setting.to_uppercase()),
            Asker::Command(_) => format!("--{setting}"),
        }
    }

    /// Such a setting with a value: `SQUALL_SEED=17`, or `--seed 17`.
    fn with(&self, setting: &str, value: &str) -> String {
        let between = match self {
            Asker::Environment => "=",
            Asker::Command(_) => " ",
        };
        format!("{}{between}{value}", self.name(setting))
    }

    /// The line that plays a test, given by its name, so.
    fn line(&self, test: &str, setting: &str, value: &str) -> String {
        let setting = self.with(setting, value);
        match self {
            Asker::Environment => format!("{setting} cargo test {test}"),
            Asker::Command(program) => format!("{program} run {test} {setting}"),
        }
    }
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// What is wrong in it, and what to write instead.
    pub(super) fn read() -> Result<Self, String> {
        let asker = Asker::Environment;
        let value = |setting: &str| env::var(asker.name(setting)).ok();
        Self::from(asker.clone(), |setting| {
            value(setting).filter(|text| !text.is_empty())
        })
    }

    /// What an asker says, given the value of each setting: `seed`, `seeds`, `for`, `plan`, `out`.
    ///
    /// # Errors
    ///
    /// What is wrong in it, and what to write instead.
    pub(super) fn from(
        asker: Asker,
        value: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, String> {
        let wrong = |setting: &str, text: &str, wanted: &str| {
            let name = asker.name(setting);
            format!("{name} is `{text}`: {wanted}")
        };
        let seed = value("seed").map(|text| {
            text.trim().parse().map_err(|_| {
                let example = asker.with("seed", "17");
                wrong(
                    "seed",
                    &text,
                    &format!("write a whole number from 0, as in {example}"),
                )
            })
        });
        let range = value("seeds").map(|text| {
            seeds(&text).ok_or_else(|| {
                let [many, range] = ["1000", "1001..2000"].map(|it| asker.with("seeds", it));
                let wanted = format!("write how many, as in {many}, or which, as in {range}");
                wrong("seeds", &text, &wanted)
            })
        });
        let length = value("for").map(|text| {
            length(&text)
                .ok_or_else(|| wrong("for", &text, "write a length of time, as in 90s, 10m or 2h"))
        });
        let plan = value("plan").map(|file| {
            let text = std::fs::read_to_string(&file)
                .map_err(|error| wrong("plan", &file, &format!("it cannot be read: {error}")))?;
            let (seed, fixed) = read_plan(&text).map_err(|why| format!("{file}: {why}"))?;
            Ok::<_, String>(Plan { file, seed, fixed })
        });
        Ok(Settings {
            seed: seed.transpose()?,
            range: range.transpose()?,
            length: length.transpose()?,
            plan: plan.transpose()?,
            out: value("out").map(PathBuf::from),
            are_many: false,
            asker,
        })
    }

    /// The seeds to be played, for a test that plays this many by default.
    pub(super) fn seeds(&self, default: u64) -> RangeInclusive<u64> {
        let one = self.plan.as_ref().map(|plan| plan.seed).or(self.seed);
        let range = one.map(|seed| seed..=seed).or_else(|| self.range.clone());
        let range = range.unwrap_or(1..=default);
        match self.length {
            Some(_) if one.is_none() => *range.start()..=u64::MAX,
            _ => range,
        }
    }

    /// Whether one seed is asked for.
    pub(super) fn is_one(&self) -> bool {
        self.plan.is_some() || self.seed.is_some()
    }

    /// What is decided in advance.
    pub(super) fn fixed(&self) -> &Fixed {
        static NOTHING: Fixed = Fixed::new();
        self.plan.as_ref().map_or(&NOTHING, |plan| &plan.fixed)
    }

    /// The line that plays this seed again, with what is decided.
    pub(super) fn repeat(&self, test: &str, seed: u64) -> String {
        match &self.plan {
            Some(plan) => self.asker.line(test, "plan", &plan.file),
            None => self.asker.line(test, "seed", &seed.to_string()),
        }
    }

    /// The line that plays the plan in this file.
    pub(super) fn play_plan(&self, test: &str, file: &Path) -> String {
        self.asker.line(test, "plan", &short(file))
    }
}

/// `1000`, or `1001..2000`, both ends included.
fn seeds(text: &str) -> Option<RangeInclusive<u64>> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (first, last) = match text.split_once("..") {
        None => (1, number(text)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    (first <= last).then_some(first..=last)
}

/// `90s`, `10m`, `2h`.
fn length(text: &str) -> Option<Duration> {
    let digits = text.trim().trim_end_matches(|it: char| it.is_alphabetic());
    let seconds = match &text.trim()[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let count: u64 = digits.parse().ok()?;
    Some(Duration::from_secs(count.checked_mul(seconds)?))
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

    fn settings(asker: Asker, values: &[(&str, &str)]) -> Result<Settings, String> {
        Settings::from(asker, |name| {
            let value = values.iter().find(|it| it.0 == name);
            value.map(|it| it.1.to_owned())
        })
    }

    #[test]
    fn the_environment_says_what_to_play() {
        let settings = |values| settings(Asker::Environment, values).unwrap();
        assert_eq!(settings(&[]).seeds(100), 1..=100);
        assert_eq!(settings(&[("seeds", "7")]).seeds(100), 1..=7);
        assert_eq!(settings(&[("seeds", "8..9")]).seeds(100), 8..=9);
        let endless = settings(&[("seeds", "8..9"), ("for", "10m")]);
        assert_eq!(endless.seeds(100), 8..=u64::MAX);
        assert_eq!(endless.length, Some(Duration::from_secs(600)));
        let one = settings(&[("seed", "17"), ("for", "10m")]);
        assert_eq!(one.seeds(100), 17..=17);
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        let command = Asker::Command("sim".to_owned());
        for (asker, setting, value, message) in [
            (
                &Asker::Environment,
                "seed",
                "x",
                "SQUALL_SEED is `x`: write a whole number from 0, as in SQUALL_SEED=17",
            ),
            (
                &command,
                "seed",
                "-1",
                "--seed is `-1`: write a whole number from 0, as in --seed 17",
            ),
            (
                &Asker::Environment,
                "seeds",
                "0",
                "SQUALL_SEEDS is `0`: write how many, as in SQUALL_SEEDS=1000, or which, as in \
                 SQUALL_SEEDS=1001..2000",
            ),
            (
                &command,
                "for",
                "soon",
                "--for is `soon`: write a length of time, as in 90s, 10m or 2h",
            ),
        ] {
            let told = settings(asker.clone(), &[(setting, value)]);
            assert_eq!(told.unwrap_err(), message);
        }
    }

    #[test]
    fn a_plan_is_read_as_it_is_written() {
        let fixed = Fixed::from([("fault 1 (kill), begins".to_owned(), "2.5 s".to_owned())]);
        let text = write_plan("# A plan", u64::MAX, &fixed);
        assert_eq!(read_plan(&text), Ok((u64::MAX, fixed)), "{text}");
    }
}
