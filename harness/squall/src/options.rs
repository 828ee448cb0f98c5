//! The options of a plan's system, one by one: which are set, and the plan with one as it would be
//! otherwise.

use crate::plan::Plan;
use crate::plan_file::strangers;
use crate::scenario::Scenario;
use crate::system::{Subject, Systems};
use toml::{Table, Value};

/// An option that a plan has otherwise than a scenario that says nothing about it.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionSet {
    /// Its name in a plan's file; `limits.queue` for `queue` in the table `limits`.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// What it would be otherwise; none if it would not be there.
    pub otherwise: Option<Value>,
}

impl Plan {
    /// The options of its system that are set. None if a scenario must say something about the
    /// system, because then there is nothing to compare with.
    pub fn options_set(&self, systems: &Systems) -> Vec<OptionSet> {
        let plain = format!("shows = \"-\"\nsystem = \"{}\"", self.system.name());
        let plain = Scenario::parse("plain.toml", &plain, systems).ok();
        let plain = plain.and_then(|plain| written(&*plain.plan(self.seed).system));
        let (Some(own), Some(plain)) = (written(&*self.system), plain) else {
            return Vec::new();
        };
        let mut set = Vec::new();
        for (name, value) in own {
            let otherwise = plain.get(&name);
            match (value, otherwise) {
                (Value::Table(own), Some(Value::Table(plain))) => {
                    let option = |(inner, value): (String, Value)| OptionSet {
                        otherwise: plain.get(&inner).cloned(),
                        name: format!("{name}.{inner}"),
                        value,
                    };
                    set.extend(own.into_iter().map(option));
                }
                (value, otherwise) => set.push(OptionSet {
                    otherwise: otherwise.cloned(),
                    name,
                    value,
                }),
            }
        }
        set.retain(|option| option.otherwise.as_ref() != Some(&option.value));
        set
    }

    /// Makes an option what it would be otherwise. Returns whether that was possible: the other
    /// options and the machines of the plan may depend on it.
    pub fn reset(&mut self, option: &OptionSet, systems: &Systems) -> bool {
        let reset = self.with_reset(option, systems);
        let was_possible = reset.is_some();
        if let Some(reset) = reset {
            *self = reset;
        }
        was_possible
    }

    fn with_reset(&self, option: &OptionSet, systems: &Systems) -> Option<Plan> {
        let mut options = written(&*self.system)?;
        let (table, name) = match option.name.split_once('.') {
            Some((table, name)) => (options.get_mut(table)?.as_table_mut()?, name),
            None => (&mut options, option.name.as_str()),
        };
        match &option.otherwise {
            Some(otherwise) => table.insert(name.to_owned(), otherwise.clone()),
            None => table.remove(name),
        };
        let known = systems.iter().find(|it| it.name == self.system.name())?;
        let system = (known.revive)(Value::Table(options)).ok()?;
        let plan = Plan {
            system,
            ..self.clone()
        };
        let is_whole = strangers(&plan).next().is_none();
        is_whole.then_some(plan)
    }
}

fn written(system: &dyn Subject) -> Option<Table> {
    match system.written() {
        Ok(Value::Table(options)) => Some(options),
        _ => None,
    }
}
