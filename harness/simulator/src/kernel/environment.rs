//! What a process receives when it starts, and can change for itself: variables and arguments.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;

/// What the programs of a machine receive at every start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) variables: BTreeMap<String, String>,
    /// Without the program's own name.
    pub(crate) arguments: Vec<String>,
    /// How often a thread of a process loses the processor although it could continue.
    pub(crate) preemptions: u32,
}

/// What is set on every machine by default. Clients of TLS libraries load all of the host's
/// certificates for every connection pool, and OpenSSL its configuration; a machine has none.
const VARIABLES: [(&str, &str); 3] = [
    ("OPENSSL_CONF", "/dev/null"),
    ("SSL_CERT_DIR", "/dev/null"),
    ("SSL_CERT_FILE", "/dev/null"),
];

/// The variables and arguments of one process, in C's form.
#[derive(Default)]
pub(crate) struct Environment {
    /// `NAME=value`, in the order in which they were set.
    variables: Vec<CString>,
    /// What was set before and no longer is. A caller of `getenv` may still have pointers to it.
    former: Vec<CString>,
    /// Pointers to the variables, followed by null.
    places: Vec<*const c_char>,
    arguments: Vec<CString>,
    argument_places: Vec<*const c_char>,
}

impl Environment {
    /// The environment of a program called `name`.
    pub(crate) fn new(name: &str, setup: &Setup) -> Self {
        let mut this = Self::default();
        let known = VARIABLES.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut variables = BTreeMap::from(known);
        variables.extend(setup.variables.clone());
        for (name, value) in variables {
            this.set(name.as_bytes(), value.as_bytes());
        }
        let arguments = std::iter::once(name).chain(setup.arguments.iter().map(|it| &**it));
        this.arguments = arguments.map(c_string).collect();
        this.argument_places = places(&this.arguments);
        this.refresh();
        this
    }

    /// The value of a variable, if it is set.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&CStr> {
        let entry = &self.variables[self.position(name)?];
        // After the equals sign, which is there.
        CStr::from_bytes_with_nul(&entry.as_bytes_with_nul()[name.len() + 1..]).ok()
    }

    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        let entry = c_string([name, b"=", value].concat());
        match self.position(name) {
            Some(place) => {
                let former = std::mem::replace(&mut self.variables[place], entry);
                self.former.push(former);
            }
            None => self.variables.push(entry),
        }
        self.refresh();
    }

    pub(crate) fn unset(&mut self, name: &[u8]) {
        if let Some(place) = self.position(name) {
            self.former.push(self.variables.remove(place));
            self.refresh();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.former.append(&mut self.variables);
        self.refresh();
    }

    /// What `environ(7)` points to, until the next change.
    pub(crate) fn block(&self) -> *const *const c_char {
        self.places.as_ptr()
    }

    /// How many arguments there are, including the program's name, and where they are.
    pub(crate) fn arguments(&self) -> (usize, *const *const c_char) {
        (self.arguments.len(), self.argument_places.as_ptr())
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        let is_it = |entry: &CString| {
            let value = entry.as_bytes().strip_prefix(name);
            value.is_some_and(|value| value.first() == Some(&b'='))
        };
        self.variables.iter().position(is_it)
    }

    fn refresh(&mut self) {
        self.places = places(&self.variables);
    }
}

fn places(strings: &[CString]) -> Vec<*const c_char> {
    let places = strings.iter().map(|string| string.as_ptr());
    places.chain([ptr::null()]).collect()
}

/// Callers have checked that there is no zero byte in it.
fn c_string(bytes: impl Into<Vec<u8>>) -> CString {
    CString::new(bytes).unwrap_or_default()
}
