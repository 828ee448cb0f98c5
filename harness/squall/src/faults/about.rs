//! What a kind of fault says about itself to code that does not strike with it: the documentation,
//! editors, explorations.

/// What every kind of fault has to say about itself.
pub(crate) trait Told {
    /// All of it.
    const ABOUT: About;
}

/// A kind of fault, for readers.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// What happens: its row in the documentation, with its fields in backquotes. ⇄ marks those
    /// that take a range.
    pub happens: &'static str,
    /// Its own fields.
    pub fields: &'static [Field],
    /// Which of them must be present, in addition to those that are needed.
    pub needs: Needs,
    /// What determines how long it lasts.
    pub lasts: Lasts,
    /// Whether the victims' programs end.
    pub ends_programs: bool,
    /// How explorations draw it.
    pub drawn: Drawn,
}

impl About {
    /// For a kind without fields, which lasts as long as the scenario says and ends no program.
    pub(crate) const DEFAULT: About = About {
        happens: "",
        fields: &[],
        needs: Needs::Nothing,
        lasts: Lasts::AsTold,
        ends_programs: false,
        drawn: Drawn::new(3, Aim::Anybody),
    };

    /// All fields that it has in a scenario file: its own, and those that every kind has.
    pub fn all_fields(&self) -> Vec<Field> {
        let shared: &[Field] = match self.lasts {
            Lasts::AsTold => &[VICTIMS, AFTER, AT, FOR, EVERY, TIMES],
            Lasts::NoTime => &[VICTIMS, AFTER, AT, EVERY, TIMES],
            Lasts::AsItSays => &[VICTIMS, AFTER, AT],
        };
        [self.fields, shared].concat()
    }
}

const VICTIMS: Field = Field::victims("victims", "Whom it hits.").needed();
const AFTER: Field = Field::new(
    "after",
    "What it waits for; then `at` counts from there.",
    Form::Event,
);
const AT: Field = Field::duration("at", "When it begins.").needed();
const FOR: Field = Field::duration("for", "How long it lasts. Default: to the end.");
const EVERY: Field = Field::duration(
    "every",
    "It comes again: from one beginning to the next, longer than `for`.",
);
const TIMES: Field = Field::number("times", "How many times there are, the first included.");

/// Which fields must be present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Each field that is needed.
    Nothing,
    /// At least one of these.
    SomeOf(&'static [&'static str]),
    /// Exactly one of these.
    OneOf(&'static [&'static str]),
}

/// What determines how long a fault lasts, and whether it comes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lasts {
    /// The scenario does: `for`, `every`, `times`.
    AsTold,
    /// It takes no time: there is no `for`.
    NoTime,
    /// Its own fields do, and it has none of the others.
    AsItSays,
}

/// How explorations draw a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawn {
    /// How often, relative to the others; never if zero.
    pub weight: u64,
    /// Whom it strikes.
    pub aim: Aim,
}

impl Drawn {
    pub(crate) const fn new(weight: u64, aim: Aim) -> Self {
        Drawn { weight, aim }
    }
}

/// Whom an exploration lets a kind of fault strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Clients.
    Clients,
    /// A server, the broker, or a client.
    Anybody,
    /// A machine whose disk matters: a server, the broker, or a client with its outbox on it.
    Keepers,
}

/// A field of a kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it says, in a sentence.
    pub says: &'static str,
    /// What it may contain.
    pub form: Form,
    /// Whether it has no default.
    pub needed: bool,
}

/// What a field may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A duration, or a range of them.
    Duration,
    /// A whole number, or a range of them.
    Number,
    /// A number from 0 to 1, or a range of them.
    Probability,
    /// Machines.
    Victims,
    /// Something that happens in the run.
    Event,
    /// What is different about a link.
    Link,
    /// One of these words.
    Words(&'static [&'static str]),
    /// One of these numbers.
    Numbers(&'static [u64]),
}

impl Field {
    const fn new(name: &'static str, says: &'static str, form: Form) -> Self {
        Field {
            name,
            says,
            form,
            needed: false,
        }
    }

    /// The same without a default.
    pub(crate) const fn needed(mut self) -> Self {
        self.needed = true;
        self
    }

    pub(crate) const fn duration(name: &'static str, says: &'static str) -> Self {
        Field::new(name, says, Form::Duration)
    }

    pub(crate) const fn number(name: &'static str, says: &'static str) -> Self {
        Field::new(name, says, Form::Number)
    }

    pub(crate) const fn probability(name: &'static str, says: &'static str) -> Self {
        Field::new(name, says, Form::Probability)
    }

    pub(crate) const fn victims(name: &'static str, says: &'static str) -> Self {
        Field::new(name, says, Form::Victims)
    }

    pub(crate) const fn link(name: &'static str, says: &'static str) -> Self {
        Field::new(name, says, Form::Link)
    }

    pub(crate) const fn words(
        name: &'static str,
        says: &'static str,
        words: &'static [&'static str],
    ) -> Self {
        Field::new(name, says, Form::Words(words))
    }

    pub(crate) const fn numbers(
        name: &'static str,
        says: &'static str,
        numbers: &'static [u64],
    ) -> Self {
        Field::new(name, says, Form::Numbers(numbers))
    }
}
